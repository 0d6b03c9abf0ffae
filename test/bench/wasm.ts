/**
 * Rows about modules: ours through two server processes over REST, beside the same module in a fresh process of the
 * bare runtime, wazero's command and the original (Debian's wasm-interp is built without WASI), in turn. Every run gets a module that nobody has seen
 * before, but for the rows that say "again". Alone: `deno run -A test/bench/wasm.ts [rounds] [MB of the copy]`.
 */
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { type Runtime, temporaryFolder } from '../support/program.ts';
import { type Aim, median, renderAim } from './measure.ts';
import { buildC, buildGo, HELLO, LARGE, MATRIX, type Program, SHA256, unseen } from './wasm/programs.ts';
import {
  byCommand,
  commandOutput,
  directly,
  original,
  ours,
  type RunModule,
  type Subject,
} from './wasm/subjects.ts';

const MIB = 2 ** 20;
const RUNTIMES: readonly Runtime[] = ['bun', 'deno'];

const rows: Aim[] = [];

function row(aim: Aim): void {
  rows.push(aim);
  process.stdout.write(`${renderAim(aim)}\n`);
}

function skipped(what: string): void {
  process.stdout.write(`SKIPPED: ${what}\n`);
}

interface Bench {
  readonly ours: Readonly<Record<Runtime, Subject>>;
  /** By name. */
  readonly others: Readonly<Record<string, RunModule>>;
  /** How many modules were made. */
  made: number;
}

interface Plan {
  readonly what: string;
  readonly program: Program;
  readonly path: string;
  readonly rounds: number;
  /** Whether the program runs long enough for a ratio to mean something. */
  readonly ratio: boolean;
  /** Also the same module again, as a node that runs a job many times sees it. */
  readonly again?: boolean;
}

/** Milliseconds after which one of the others has run often enough. */
const ENOUGH_MS = 5_000;

type Times = Map<string, number[]>;

/** Runs once and notes the time. @throws Error when it fails or prints something else */
async function once(times: Times, name: string, run: RunModule, program: Program, module: string) {
  const { ms, stdout } = await run(module, program.args);
  // The original cuts the last newline, and at times it loses what a short program printed (executors.md 7.7).
  if (stdout.trim() !== '' && stdout.trimEnd() !== program.output.trimEnd()) {
    throw new Error(`${program.name} printed "${stdout}", not "${program.output}"`);
  }
  times.set(name, [...times.get(name) ?? [], ms]);
}

/** All who run the program, in turn, one round after the other. */
async function take(bench: Bench, { program, path, rounds, again }: Plan): Promise<Times> {
  const times: Times = new Map();
  const given = new Set<string>();
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const fresh = unseen(path, ++bench.made);
    for (const runtime of RUNTIMES) {
      const { run } = bench.ours[runtime];
      await once(times, `ours ${runtime}`, run, program, fresh);
      await once(times, `direct ${runtime}`, directly(runtime), program, fresh);
      if (again) await once(times, `again ${runtime}`, run, program, path);
    }
    if (round === 0) times.clear();
    for (const [name, run] of Object.entries(bench.others)) {
      if (given.has(name) || sum(times.get(name)) > ENOUGH_MS) continue;
      await once(times, name, run, program, fresh).catch((error: Error) => {
        given.add(name);
        skipped(`${program.name} by ${name}: ${error.message}`);
      });
    }
    rmSync(fresh);
  }
  return times;
}

function sum(values: readonly number[] = []): number {
  return values.reduce((total, value) => total + value, 0);
}

async function measure(bench: Bench, plan: Plan): Promise<void> {
  const times = await take(bench, plan);
  const of = (name: string) => times.get(name) ?? [];
  for (const runtime of RUNTIMES) {
    const mine = of(`ours ${runtime}`);
    const direct = of(`direct ${runtime}`);
    const more = median(mine.map((ms, index) => ms - direct[index]!));
    const ratio = median(mine.map((ms, index) => ms / direct[index]!));
    row({ what: `${plan.what}, ${runtime}`, value: median(mine), unit: 'ms' });
    row({ what: '  directly in the runtime', value: median(direct), unit: 'ms' });
    row({ what: '  ours less that, median of the pairs', value: more, unit: 'ms', most: 20 });
    if (plan.ratio) {
      row({ what: '  ours by that, median of the pairs', value: ratio, unit: '×', most: 1.1 });
    }
    if (plan.again) {
      row({ what: '  the same module again', value: median(of(`again ${runtime}`)), unit: 'ms' });
    }
    for (const name of Object.keys(bench.others).filter((each) => times.has(each))) {
      row({ what: `  ${name}`, value: median(of(name)), unit: 'ms' });
      row({ what: `  ${name} by ours`, value: median(of(name)) / median(mine), unit: '×' });
    }
  }
}

/** A file of random bytes, so that no file system can make it smaller. */
async function randomFile(path: string, megabytes: number): Promise<void> {
  await using file = await open(path, 'w');
  const piece = new Uint8Array(MIB);
  for (let at = 0; at < piece.length; at += 65_536) crypto.getRandomValues(piece.subarray(at, at + 65_536));
  for (let count = 0; count < megabytes; count++) {
    piece[count % MIB]! ^= count;
    await file.write(piece);
  }
}

async function copy(bench: Bench, folder: string, megabytes: number, rounds: number): Promise<void> {
  const module = buildC('copy', folder);
  const from = join(folder, 'random');
  await randomFile(from, megabytes);
  const inputs = [{ hostPath: folder, target: '/data', readWrite: true }];
  const work: Record<string, () => Promise<unknown>> = {
    cp: () => commandOutput('cp', [from, join(folder, 'copy')]),
  };
  for (const runtime of RUNTIMES) {
    work[runtime] = () => bench.ours[runtime].run(module, ['/data/random', '/data/copy'], inputs);
  }
  const times = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(work)) {
      rmSync(join(folder, 'copy'), { force: true });
      const begin = performance.now();
      await run();
      if (round > 0) times.set(name, [...times.get(name) ?? [], performance.now() - begin]);
    }
  }
  const rate = (name: string) => megabytes / median(times.get(name)!) * 1000;
  row({ what: `copy of ${megabytes} MiB, cp`, value: rate('cp'), unit: 'MiB/s' });
  for (const runtime of RUNTIMES) {
    row({ what: `  through a module, ${runtime}`, value: rate(runtime), unit: 'MiB/s' });
    row({ what: "  of cp's speed", value: rate(runtime) / rate('cp'), unit: '×', least: 0.5 });
  }
}

/** All rows about modules, printed as they come. @returns them */
export async function wasmRows(rounds = 5, megabytes = 1024): Promise<readonly Aim[]> {
  await using folder = await temporaryFolder();
  const built = Object.fromEntries(
    ['hello', 'sha256', 'matrix'].map((name) => [name, buildC(name, folder.path)]),
  );
  await using theirs = await original(folder.path);
  await using bun = await ours('bun', folder.path);
  await using deno = await ours('deno', folder.path);
  const commands: Readonly<Record<string, RunModule | null>> = {
    'wazero run': byCommand('wazero', 'run'),
    'original': theirs?.run ?? null,
  };
  const others: Record<string, RunModule> = {};
  for (const [name, run] of Object.entries(commands)) {
    if (run) others[name] = run;
    else skipped(`${name}: not on this machine`);
  }
  const bench: Bench = { ours: { bun, deno }, others, made: 0 };
  const plan = (what: string, program: Program, rest: Partial<Plan> = {}): Plan => ({
    what,
    program,
    path: built[program.name]!,
    rounds,
    ratio: true,
    ...rest,
  });
  await measure(bench, plan('hello', HELLO, { rounds: rounds * 4, ratio: false, again: true }));
  await measure(bench, plan('sha256 of 256 MB', SHA256));
  await measure(bench, plan('product of 1024² doubles', MATRIX));
  try {
    built.large = buildGo('large', folder.path);
    await measure(bench, plan('module of 11 MB', LARGE, { again: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    skipped('a large module: no Go toolchain on this machine');
  }
  if (megabytes > 0) await copy(bench, folder.path, megabytes, 3);
  return rows;
}

if (import.meta.main) {
  const [rounds, megabytes] = process.argv.slice(2).map(Number);
  await wasmRows(rounds, megabytes);
}
