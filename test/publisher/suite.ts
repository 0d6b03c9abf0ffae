/** What every publisher keeps to (mod/publisher/publisher.ts). */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Publisher } from '../../mod/publisher/mod.ts';

export interface PublisherUnderTest {
  readonly publisher: Publisher;
  /** What can be had of a result, whatever way its users take; null where nothing is kept. */
  fetch(result: Awaited<ReturnType<Publisher['publish']>>): Promise<Uint8Array | null>;
}

export function publisherSuite(name: string, make: (folder: string) => Promise<PublisherUnderTest>): void {
  describe(`the publisher ${name}`, () => {
    let folder: string;
    let results: string;
    let made: PublisherUnderTest;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'publisher-'));
      results = await mkdtemp(join(folder, 'results-'));
      await writeFile(join(results, 'stdout'), 'hello');
      made = await make(folder);
    });
    afterEach(async () => {
      await made.publisher.close();
      await rm(folder, { recursive: true, force: true });
    });
    const request = (executionId: string) => {
      const spec = { Type: made.publisher.type };
      const { signal } = new AbortController();
      return { spec, nodeId: 'n-1', jobId: 'j-1', executionId, directory: results, signal };
    };

    it('can be used, and takes its own specs', async () => {
      expect(await made.publisher.available()).toBeNull();
      expect(await made.publisher.check({ Type: made.publisher.type })).toBeNull();
    });

    it('publishes again to the same place the same bytes, and leaves the folder as it was', async () => {
      const { publisher, fetch } = made;
      const first = await publisher.publish(request('e-1'));
      const bytes = await fetch(first);
      expect(await publisher.publish(request('e-1'))).toEqual(first);
      expect(await fetch(first)).toEqual(bytes);
      expect(await readdir(results)).toEqual(['stdout']);
    });

    it('keeps the results of executions apart', async () => {
      const { publisher, fetch } = made;
      const first = await publisher.publish(request('e-1'));
      const bytes = await fetch(first);
      await writeFile(join(results, 'stdout'), 'of another');
      await publisher.publish(request('e-2'));
      expect(await fetch(first)).toEqual(bytes);
    });

    it('may be closed twice', async () => {
      await made.publisher.close();
    });
  });
}
