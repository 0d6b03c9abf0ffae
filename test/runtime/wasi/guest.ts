/**
 * A guest that makes single WASI calls (test/fixtures/wasm/wasi/calls.c), as a run of the real engine, in a world of its
 * own: `rw` and `ro` are mounted (read-write and read-only), `outside` lies beside them and is nobody's business.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { Bench, CHILDREN, FIXTURES } from '../../engine/wasm/helpers.ts';
import type { RunEnd, RunRequest } from '../../../mod/engine/mod.ts';

export { Errno } from '../../../runtime/wasi/errno.ts';
export { Right } from '../../../runtime/wasi/rights.ts';

/** What came of one call; of the helpers `text` and the like, the text. */
export interface Answer {
  readonly errno: number;
  /** The first 32 and 64 bits of the result area. */
  readonly u32: number;
  readonly u64: bigint;
  readonly text: string;
}

export interface CallOptions {
  readonly env?: Record<string, string>;
  /** Default: `rw` at /rw, `ro` at /ro, read-only. */
  readonly inputs?: RunRequest['inputs'];
}

export class World {
  readonly directory: string;
  readonly #bench: Bench;

  constructor(bench: Bench, number: number) {
    this.#bench = bench;
    this.directory = bench.path(`world-${number}`);
    for (const name of ['rw', 'ro', 'outside']) mkdirSync(join(this.directory, name), { recursive: true });
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Only `rw`, as the guest's root. */
  get root(): RunRequest['inputs'] {
    return [{ hostPath: this.path('rw'), target: '/', readOnly: false }];
  }

  /** Makes calls, one after the other in one run. */
  async calls(calls: readonly string[], options: CallOptions = {}): Promise<Answer[]> {
    const { end, answers } = await this.run(calls, options);
    if (end.kind !== 'exited' || end.exitCode !== 0) throw new Error(JSON.stringify(end));
    return answers;
  }

  /** The errno of each call. */
  async errnos(calls: readonly string[], options: CallOptions = {}): Promise<number[]> {
    return (await this.calls(calls, options)).map(({ errno }) => errno);
  }

  async run(
    calls: readonly string[],
    options: CallOptions = {},
  ): Promise<{ end: RunEnd; answers: Answer[]; stdout: string; stderr: string }> {
    const { end, stdout, stderr } = await this.#bench.run(join(FIXTURES, 'wasi/calls.wasm'), {
      params: { Parameters: calls },
      env: options.env ?? {},
      inputs: options.inputs ?? [
        { hostPath: this.path('rw'), target: '/rw', readOnly: false },
        { hostPath: this.path('ro'), target: '/ro', readOnly: true },
      ],
    });
    const answers = stdout.trimEnd().split('\n').map((text) => {
      const [errno = '', u32 = '0', u64 = '0'] = text.split(' ');
      const isAnswer = /^-?\d+( \d+)*$/.test(text);
      return { errno: Number(errno), u32: Number(u32), u64: isAnswer ? BigInt(u64) : 0n, text };
    });
    return { end, answers, stdout, stderr };
  }
}

/** The tests of `define` under each runtime; `world()` gives a fresh one. */
export function underEachRuntime(title: string, define: (world: () => World) => void): void {
  describe.each(Object.entries(CHILDREN))(`${title} under %s`, (_name, childCommand) => {
    let bench: Bench;
    let worlds = 0;
    beforeAll(() => {
      bench = new Bench({ childCommand });
    });
    afterAll(() => bench[Symbol.asyncDispose]());
    define(() => new World(bench, ++worlds));
  });
}

/** path_open of `path` (as `calls.c` reads it) with rights and flags. */
export function open(
  path: string,
  options: {
    dir?: number | string;
    follow?: boolean;
    oflags?: number;
    rights?: bigint;
    inheriting?: bigint;
    flags?: number;
  } = {},
): string {
  const { dir = 3, follow = true, oflags = 0, rights = 0n, inheriting = 0n, flags = 0 } = options;
  return `path_open ${dir} ${follow ? 1 : 0} :${path} ${oflags} ${rights} ${inheriting} ${flags} out`;
}

export const Open = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;

/** A subscription (48 bytes) at `at` in `buf`, as calls that write it. */
export function subscription(
  at: number,
  given: {
    data: number;
    clock?: { id?: number; ns: bigint; absolute?: boolean };
    read?: number;
    write?: number;
  },
): string[] {
  const { data, clock, read, write } = given;
  const type = clock ? 0 : read !== undefined ? 1 : 2;
  const calls = [`set64 ${at} ${data}`, `set64 ${at + 8} ${type}`];
  if (!clock) return [...calls, `set64 ${at + 16} ${read ?? write}`];
  return [
    ...calls,
    `set64 ${at + 16} ${clock.id ?? 1}`,
    `set64 ${at + 24} ${clock.ns}`,
    `set64 ${at + 32} 0`,
    `set64 ${at + 40} ${clock.absolute ? 1 : 0}`,
  ];
}
