/** An engine that is stopped under its containers: a wait ends and says why, and the node is told. */
import process from 'node:process';
import { expect, it } from 'vitest';
import { dockerd, dockerMissing, privateDockerd } from '../../support/docker.ts';
import { logGrows, output, Workbench } from './support/workbench.ts';

const there = await dockerd();
if (!there) console.log(dockerMissing());

it.skipIf(!there)('a run on an engine that is stopped is an infrastructure failure', async () => {
  await using host = await privateDockerd();
  const bench = await Workbench.open(host, { engineGraceMs: 2_000 });
  const { request, run } = await bench.started({ script: 'echo up; sleep 1000' });
  await logGrows(request.logPath, 20);
  expect(await bench.engine.available()).toBeNull();
  process.kill(host.pid, 'SIGTERM');
  expect(await run.wait()).toMatchObject({
    kind: 'failed',
    code: expect.stringMatching(/^Engine(Restarted|Unavailable)$/),
    class: 'infrastructure',
    hint: expect.stringMatching(/./),
  });
  expect((await output(request)).stdout).toBe('up\n');
  await expect.poll(() => bench.engine.available(), { timeout: 30_000, interval: 200 }).toMatchObject({
    code: 'EngineUnavailable',
    reason: expect.stringContaining('this node cannot run containers'),
    retryable: true,
  });
  await expect(bench.engine.find(run.identity, request)).rejects.toMatchObject({ code: 'Unavailable' });
  await expect(run.remove()).rejects.toMatchObject({ code: 'Unavailable' });
  await bench.engine.close();
});
