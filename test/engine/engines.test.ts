/** The suite of engines over each of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { noopEngine } from '../../mod/engine/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { wasmRequest } from '../fixtures/wasm/request.ts';
import { dockerd, dockerMissing } from '../support/docker.ts';
import { Workbench } from './docker/support/workbench.ts';
import { engineSuite } from './suite.ts';
import { Bench, CHILDREN } from './wasm/helpers.ts';

let runs = 0;
const own = <T extends object>(request: T) => ({ ...request, executionId: `e-${++runs}` });

engineSuite('noop', () => {
  const folder = mkdtempSync(join(tmpdir(), 'noop-'));
  const engine = noopEngine({ world: realWorld });
  const request = (Params: Record<string, unknown>) => {
    const base = wasmRequest('empty', folder);
    return own({ ...base, task: { ...base.task, Engine: { Type: 'noop', Params } } });
  };
  return Promise.resolve({
    engine,
    exits: (ExitCode) => request({ ExitCode }),
    lasts: () => request({ DelayMs: 3_600_000 }),
    [Symbol.asyncDispose]: async () => {
      await engine.close();
      rmSync(folder, { recursive: true });
    },
  });
});

engineSuite('wasm', () => {
  const bench = new Bench({ childCommand: CHILDREN.bun });
  return Promise.resolve({
    engine: bench.engine,
    exits: (code) => own(bench.request(code === 0 ? 'empty' : 'exit')),
    lasts: () => own(bench.request('loop')),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  });
});

const host = await dockerd();
if (!host) console.log(dockerMissing());
describe.skipIf(!host)('with a dockerd', () =>
  engineSuite('docker', async () => {
    const bench = await Workbench.open(host!);
    return {
      engine: bench.engine,
      exits: (code) => bench.request({ script: `exit ${code}` }),
      lasts: () => bench.request({ script: 'sleep 3600' }),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  }));
