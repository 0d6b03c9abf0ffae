/** A folder for one test and a request as the compute node makes it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { SpecConfig } from '../../mod/model/mod.ts';
import { DiskRoom, type PrepareRequest } from '../../mod/storage/mod.ts';

const made: string[] = [];
afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
});

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bacalhau-test-'));
  made.push(folder);
  return folder;
}

export const never = new AbortController().signal;

export async function request(
  spec: SpecConfig,
  signal = never,
  room = new DiskRoom(Infinity),
): Promise<PrepareRequest> {
  const directory = await temporaryFolder();
  return { spec, target: '/inputs', directory, partitionIndex: 0, partitionCount: 1, room, signal };
}
