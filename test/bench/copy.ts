/**
 * A gigabyte through a module's read and write (test/fixtures/wasm/wasi/copy.c), beside `cp` with the same files. On a machine
 * that has other work the time tells who got a processor and the disk, so processor time is told, too.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Bench, FIXTURES } from '../engine/wasm/helpers.ts';
import { processCpuMs } from '../../runtime/process.ts';
import { CHILD_COMMAND } from '../../runtime/wasi/frames.ts';
import { renderAim } from './measure.ts';
import { PROGRAMS, type Runtime } from '../support/program.ts';

const BYTES = 1_000_000_000;
const ROUNDS = 5;
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

interface Taken {
  readonly ms: number;
  readonly cpuMs: number;
}

/** `cp` in a shell, which tells the processor time. */
function cp(from: string, to: string): Taken {
  const begin = performance.now();
  const { stderr } = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time cp "$0" "$1"', from, to], {
    encoding: 'utf8',
  });
  const [user, system] = stderr.trim().split(' ').map(Number);
  return { ms: performance.now() - begin, cpuMs: (user! + system!) * 1000 };
}

function best(all: readonly Taken[]): Taken {
  return { ms: Math.min(...all.map(({ ms }) => ms)), cpuMs: Math.min(...all.map(({ cpuMs }) => cpuMs)) };
}

/** The best of several, in turn. @returns speed and economy with the processor, as shares of those of `cp` */
async function copied(runtime: Runtime, kib: number): Promise<{ speed: number; economy: number }> {
  await using bench = new Bench({ childCommand: [...PROGRAMS[runtime], CHILD_COMMAND] });
  const folder = bench.path('files');
  mkdirSync(folder);
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  writeSource(from);
  const copy = async (): Promise<Taken> => {
    const request = bench.request(join(FIXTURES, 'wasi/copy.wasm'), {
      params: { Parameters: ['/files/from', '/files/to', String(kib * KIB)] },
      inputs: [{ hostPath: folder, target: '/files', readOnly: false }],
    });
    const run = await bench.engine.create(request, new AbortController().signal);
    const pid = Number(run.identity.id);
    const [begin, before] = [performance.now(), processCpuMs(pid)!];
    await run.start();
    await run.wait();
    if (statSync(to).size !== BYTES) throw new Error('the copy is not whole');
    return { ms: performance.now() - begin, cpuMs: processCpuMs(pid)! - before };
  };
  const [ours, theirs]: [Taken[], Taken[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    rmSync(to, { force: true });
    theirs.push(cp(from, to));
    rmSync(to);
    ours.push(await copy());
  }
  const [mine, cps] = [best(ours), best(theirs)];
  return { speed: cps.ms / mine.ms, economy: cps.cpuMs / mine.cpuMs };
}

export async function copyRows(): Promise<void> {
  for (const kib of [64, 1024]) {
    const { speed, economy } = await copied('bun', kib);
    for (const [what, value] of [['speed', speed], ['economy', economy]] as const) {
      console.log(
        renderAim({ what: `1 GB by pieces of ${kib} KiB, ${what} of cp`, value, unit: '×', least: SLOWEST }),
      );
    }
  }
}
