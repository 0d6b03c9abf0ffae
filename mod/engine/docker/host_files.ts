/** Rights of what is mounted: images run as users of their own, which are strangers on this host. */
import { ContainedFiles, type Entry } from '../../../runtime/files/mod.ts';
import type { RunRequest } from '../engine.ts';
import { isBelow } from '../mounts.ts';

const EVERYBODY_WRITES = 0o777;
const EVERYBODY_READS = 0o444;
const EVERYBODY_ENTERS = 0o111;

/**
 * Outputs become writable and private copies of inputs readable for any user. Both lie below the run's directory, which
 * other users of this host cannot enter. What an input source mounts in place (a directory of the host) keeps its rights.
 */
export async function openMounts({ directory, inputs, outputs }: RunRequest): Promise<void> {
  const copies = inputs.filter(({ hostPath }) => isBelow(directory, hostPath));
  using files = new ContainedFiles(directory);
  await Promise.all([
    ...outputs.map(({ hostPath }) => files.visit(hostPath, (entry) => entry.chmod(EVERYBODY_WRITES))),
    ...copies.map(({ hostPath }) => files.visit(hostPath, makeReadable)),
  ]);
}

function makeReadable({ stat, chmod }: Entry): void {
  if (!stat.isDirectory() && !stat.isFile()) return;
  const entered = stat.isDirectory() || (stat.mode & 0o100) !== 0;
  const rights = entered ? EVERYBODY_READS | EVERYBODY_ENTERS : EVERYBODY_READS;
  if ((stat.mode & rights) !== rights) chmod((stat.mode & 0o7777) | rights);
}
