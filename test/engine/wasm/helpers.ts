/** What the tests of the engine share: a private folder, an engine, and a run from start to end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  type Engine,
  type Run,
  type RunEnd,
  type RunRequest,
  wasmEngine,
  type WasmEngineOptions,
} from '../../../mod/engine/mod.ts';
import { BacalhauError } from '../../../mod/model/mod.ts';
import { logText } from '../../support/log_text.ts';
import { realWorld } from '../../../runtime/world.ts';
import { type RequestOptions, wasmRequest } from '../../fixtures/wasm/request.ts';

export const FIXTURES = fileURLToPath(new URL('../../fixtures/wasm', import.meta.url));
export const BUN = fileURLToPath(new URL('../../../node_modules/bun/bin/bun.exe', import.meta.url));
export const CHILDREN = {
  deno: [process.execPath, 'run', '-A', '--quiet', join(FIXTURES, 'child_main.ts')],
  bun: [BUN, join(FIXTURES, 'child_main.ts')],
} as const;
export interface Finished {
  readonly end: RunEnd;
  readonly stdout: string;
  readonly stderr: string;
  readonly mark: string;
}

export class Bench implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'engine-test-'));
  readonly engine: Engine;

  constructor(options: Partial<WasmEngineOptions> = {}) {
    this.engine = wasmEngine({
      world: realWorld,
      directory: this.path('wasm'),
      childCommand: CHILDREN.deno,
      ...options,
    });
  }

  request(module: string, options: RequestOptions = {}): RunRequest {
    return wasmRequest(module, this.directory, options);
  }

  async run(module: string, options: RequestOptions = {}): Promise<Finished> {
    const request = this.request(module, options);
    let run: Run;
    try {
      run = await this.engine.create(request, new AbortController().signal);
    } catch (error) {
      return { end: refusedEnd(error), stdout: '', stderr: '', mark: '' };
    }
    await run.start();
    const end = await run.wait();
    return { end, ...await logText(request.logPath) };
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    rmSync(this.directory, { recursive: true });
  }
}

/** What the compute node makes of an error of `create` that is the fault of the task. */
function refusedEnd(error: unknown): RunEnd {
  if (!(error instanceof BacalhauError) || error.details.class !== 'user') throw error;
  const { code, message, hint } = error;
  return { kind: 'failed', code, message, hint, class: 'user' };
}
