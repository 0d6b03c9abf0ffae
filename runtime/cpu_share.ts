/**
 * The part of the processors that a child process gets while there is not enough for all: a control group of its own
 * where this user may make one (Linux, version 2 or 1), elsewhere a lower priority than the node's. Nobody is held back
 * while processors are idle.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';

const NAME = /^bacalhau-cpu-[0-9]+$/;
/** Niceness where there is no group: a third of the weight of a usual process. */
const NICE = 5;

interface Groups {
  /** In which groups may be made. */
  readonly folder: string;
  readonly file: string;
  /** What the file wants for this many CPUs. */
  weight(cpus: number): number;
}

let known: Groups | null | undefined;

export class CpuShare implements Disposable {
  readonly #path: string | null = null;
  #weight = 0;

  /** Of the process with this id, whose threads are still to come. Never throws. */
  constructor(pid: number) {
    if (known === undefined) known = findGroups();
    try {
      if (known) {
        const path = join(known.folder, `bacalhau-cpu-${pid}`);
        mkdirSync(path, { recursive: true });
        writeFileSync(join(path, 'cgroup.procs'), String(pid));
        this.#path = path;
      } else setPriority(pid, NICE);
    } catch {
      // It has ended, or the system has changed its mind: then it runs as any other.
    }
  }

  /** Of an ended program nothing is left; another may use the process then. */
  set(cpus: number): void {
    if (!known || this.#path === null) return;
    const weight = known.weight(cpus);
    if (weight === this.#weight) return;
    try {
      writeFileSync(join(this.#path, known.file), String(weight));
      this.#weight = weight;
    } catch {
      // As above.
    }
  }

  /** When the process is gone. */
  [Symbol.dispose](): void {
    if (this.#path !== null) removeGroup(this.#path);
  }
}

/** Null when this user may make none, or another system has none. */
function findGroups(): Groups | null {
  if (process.platform !== 'linux') return null;
  for (const groups of candidates()) {
    const trial = join(groups.folder, 'bacalhau-cpu-0');
    try {
      mkdirSync(trial, { recursive: true });
      writeFileSync(join(trial, groups.file), String(groups.weight(1)));
      // Those of a node that was killed; one that is in use cannot be removed.
      for (const name of readdirSync(groups.folder)) {
        if (NAME.test(name)) removeGroup(join(groups.folder, name));
      }
      return groups;
    } catch {
      removeGroup(trial);
    }
  }
  return null;
}

function candidates(): Groups[] {
  const clamp = (weight: number, least: number, most: number) =>
    Math.max(least, Math.min(most, Math.round(weight)));
  try {
    const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n').map((line) => line.split(':'));
    return lines.flatMap(([, controllers = '', path = '/']): Groups[] => {
      if (controllers.split(',').includes('cpu')) {
        const file = 'cpu.shares';
        const weight = (cpus: number) => clamp(cpus * 1024, 2, 2 ** 18);
        return [{ folder: join('/sys/fs/cgroup/cpu', path), file, weight }];
      }
      if (controllers !== '') return [];
      // A group with processes of its own has no groups below it; one beside it will do.
      return [path, dirname(path)].map((each) => ({
        folder: join('/sys/fs/cgroup', each),
        file: 'cpu.weight',
        weight: (cpus: number) => clamp(cpus * 100, 1, 10_000),
      }));
    });
  } catch {
    return [];
  }
}

function removeGroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // In use, or gone.
  }
}
