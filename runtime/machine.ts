/** What this machine has and is called. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, hostname, totalmem } from 'node:os';

export interface MachineTotals {
  /** Logical processors. */
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  /** Free bytes on the file system of the folder asked about. */
  readonly disk: number;
}

export async function machineTotals(folder: string): Promise<MachineTotals> {
  const { bavail, bsize } = await statfs(folder);
  return { cpus: availableParallelism(), memory: totalmem(), disk: bavail * bsize };
}

export { hostname };
