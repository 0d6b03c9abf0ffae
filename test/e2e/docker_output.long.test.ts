/**
 * 1 GB to standard output: the job finishes, its node stays small, the log holds all of it up to the cap and says where it
 * was cut, and its last lines can be had alone.
 */
import { expect, it } from 'vitest';
import { ApiClient } from '../../mod/api/client/mod.ts';
import { BUILD_INFO } from '../../runtime/build_info.ts';
import { dockerd, dockerMissing } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { memoryOf } from '../support/program.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

const BYTES = 1_000_000_000;
/** With its newline 100 bytes. */
const LINE = 'x'.repeat(99);
const MEMORY_LIMIT = 150e6;
const CUT = 'output cut: the limit of 100000000 bytes is reached, the rest is not kept\n';

const cases = [
  { name: 'all of it', settings: [], kept: BYTES + 4 },
  { name: 'up to the cap', settings: ['Compute.Logs.MaxSize=100MB'], kept: 100e6 },
];

it.skipIf(!docker).each(cases)('1 GB to standard output, kept: $name', async ({ settings, kept }) => {
  const image = await docker!.image();
  await using cluster = await DockerCluster.start('bun', docker!, settings);
  // Warm: what the first job loads is no growth.
  await cluster.ended(await cluster.submit(dockerJob({ image, parameters: ['true'] })));

  let most = 0;
  const watching = setInterval(() => most = Math.max(most, memoryOf(cluster.compute.pid)), 100);
  const client = new ApiClient({
    baseUrl: `http://127.0.0.1:${cluster.orchestrator.apiPort}`,
    version: BUILD_INFO,
  });
  try {
    const script = `yes ${LINE} | head -c ${BYTES}; echo end`;
    const id = await cluster.submit(dockerJob({ image, parameters: ['sh', '-c', script] }));
    expect(await cluster.ended(id, 300_000)).toMatchObject({ StateType: 'Completed' });
    console.log(`1 GB: at most ${(most / 1e6).toFixed(0)} MB`);
    expect(most).toBeLessThan(MEMORY_LIMIT);

    const parts: string[] = [];
    for await (const { text } of client.logs(id, { tailLines: 100 })) parts.push(text);
    const lines = parts.join('').trimEnd().split('\n');
    expect(lines).toHaveLength(100);
    if (kept > BYTES) expect(lines.at(-1)).toBe('end');

    let length = 0;
    let other = '';
    for await (const { text, type } of client.logs(id)) {
      if (type === 1) length += text.length;
      else other += text;
    }
    expect(length).toBe(kept);
    expect(other).toBe(kept < BYTES ? CUT : '');
    console.log(`read again: at most ${(most / 1e6).toFixed(0)} MB`);
    expect(most).toBeLessThan(MEMORY_LIMIT);
  } finally {
    clearInterval(watching);
  }
  await cluster.nothingLeft();
});
