/**
 * Must-hold 5 of WebAssembly, its last figure: a gigabyte through a module's read and write (test/fixtures/wasm/wasi/copy.c)
 * reaches at least half of what `cp` does with the same files. In turn, the best of each: the machine may have other work.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { Bench, FIXTURES } from '../../engine/wasm/helpers.ts';
import { CHILD_COMMAND } from '../../../runtime/wasi/frames.ts';
import { PROGRAMS, type Runtime } from '../../support/program.ts';

const BYTES = 1_000_000_000;
/** More than the least only while a busy disk keeps the best of the two from showing. */
const [LEAST_ROUNDS, MOST_ROUNDS] = [4, 12];
const KIB = 1024;
/** Of the speed of `cp`. */
const SLOWEST = 0.5;

/** Not sparse, and in the page cache since it was just written. */
function writeSource(path: string): void {
  const piece = crypto.getRandomValues(new Uint8Array(50_000));
  const fd = openSync(path, 'w');
  for (let done = 0; done < BYTES; done += piece.length) writeSync(fd, piece);
  closeSync(fd);
}

async function timed(act: () => unknown): Promise<number> {
  const begin = performance.now();
  await act();
  return performance.now() - begin;
}

describe.skipIf(process.platform === 'win32').each<Runtime>(['bun', 'deno'])(
  'copying under %s',
  (runtime) => {
    it('a gigabyte takes at most twice as long as with cp', async () => {
      await using bench = new Bench({ childCommand: [...PROGRAMS[runtime], CHILD_COMMAND] });
      const folder = bench.path('files');
      spawnSync('mkdir', [folder]);
      const [from, to] = [join(folder, 'from'), join(folder, 'to')];
      writeSource(from);
      const inputs = [{ hostPath: folder, target: '/files', readOnly: false }];
      const copy = async (size: number) => {
        const { end } = await bench.run(join(FIXTURES, 'wasi/copy.wasm'), {
          params: { Parameters: ['/files/from', '/files/to', String(size)] },
          inputs,
        });
        expect(end).toEqual({ kind: 'exited', exitCode: 0 });
        expect(statSync(to).size).toBe(BYTES);
      };
      for (const size of [64 * KIB, 1024 * KIB]) {
        let [ours, theirs] = [Infinity, Infinity];
        for (let round = 0; round < MOST_ROUNDS; round++) {
          if (round >= LEAST_ROUNDS && theirs / ours > SLOWEST) break;
          rmSync(to, { force: true });
          theirs = Math.min(theirs, await timed(() => spawnSync('cp', [from, to])));
          rmSync(to);
          ours = Math.min(ours, await timed(() => copy(size)));
        }
        const ratio = theirs / ours;
        console.log(
          `1 GB in pieces of ${size / KIB} KiB under ${runtime}: ${ours.toFixed(0)} ms, cp ${
            theirs.toFixed(0)
          } ms, ` +
            `${ratio.toFixed(2)} of its speed`,
        );
        expect(ratio).toBeGreaterThan(SLOWEST);
      }
    });
  },
);
