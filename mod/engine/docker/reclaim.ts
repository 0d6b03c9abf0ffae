/**
 * Files that a container's users made are strangers' to a node that is not root: it may neither read nor remove them. The
 * engine, which is root, gives them to the node: a container that is never started has the folder mounted, and archives
 * unpacked into it set owners (a folder's own entry its owner, a hard link that of its file), so nothing is copied.
 */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import tar from 'tar-stream';
import type { ContainerCreate, Docker } from '../../../runtime/docker/mod.ts';
import type { StringMap } from '../../model/mod.ts';
import { createFromHolder } from './http_network/holder_image.ts';
import { removeContainer } from './run.ts';

const PLACE = '/folder';
/** Files given in one archive, which is held in memory. */
const BATCH = 5_000;
const OWNER_ENTERS = 0o700;
const OWNER_READS = 0o400;
const EVERYBODY_READS = 0o004;

interface Stranger {
  /** Below the folder. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly mode: number;
}

/**
 * Afterwards this process may read all files below the folder, which is its own, and remove whatever is there. Links are
 * not followed. To be called when no program writes there any more.
 * @param labels of the container that it takes, for whoever finds one left by a crash
 * @throws DockerError; Error when the engine did not do it
 */
export async function reclaim(docker: Docker, folder: string, labels: StringMap): Promise<void> {
  let helper: string | null = null;
  try {
    for (let level = ['']; level.length > 0;) {
      const below: string[] = [];
      const strangers: Stranger[] = [];
      for (const path of level) await look(folder, path, below, strangers);
      for (let at = 0; at < strangers.length; at += BATCH) {
        helper ??= await createFromHolder(docker, configuration(folder, labels));
        await give(docker, helper, folder, strangers.slice(at, at + BATCH));
      }
      level = below;
    }
  } finally {
    if (helper !== null) {
      await removeContainer(docker.containers.remove(helper, { force: true, volumes: true }));
    }
  }
}

function configuration(folder: string, Labels: StringMap): Omit<ContainerCreate, 'Image'> {
  return {
    Labels,
    HostConfig: {
      NetworkMode: 'none',
      Mounts: [{ Type: 'bind', Source: folder, Target: PLACE, ReadOnly: false }],
    },
  };
}

/** What of one folder has to be given first, and the folders in it. */
async function look(folder: string, path: string, below: string[], strangers: Stranger[]): Promise<void> {
  for (const name of await readdir(join(folder, path))) {
    const child = join(path, name);
    const entry = await lstat(join(folder, child));
    const isFolder = entry.isDirectory();
    if (isFolder) below.push(child);
    else if (!entry.isFile()) continue;
    const needed = isFolder ? OWNER_ENTERS : OWNER_READS;
    const mode = (entry.mode & 0o777) | needed;
    if (entry.uid === process.getuid!()) {
      if ((entry.mode & needed) !== needed) await chmod(join(folder, child), mode);
    } else if (isFolder || (entry.mode & EVERYBODY_READS) === 0) {
      strangers.push({ path: child, isFolder, mode });
    }
  }
}

async function give(
  docker: Docker,
  helper: string,
  folder: string,
  strangers: readonly Stranger[],
): Promise<void> {
  const uid = process.getuid!();
  const common = { uid, gid: process.getgid!() };
  const pack = tar.pack();
  const links: string[] = [];
  for (const { path, isFolder, mode } of strangers) {
    if (isFolder) {
      pack.entry({ ...common, name: path, type: 'directory', mode });
      continue;
    }
    const name = join(dirname(path), `.${randomBytes(8).toString('hex')}`);
    links.push(name);
    pack.entry({ ...common, name, type: 'link', linkname: path, mode });
  }
  pack.finalize();
  await docker.containers.putArchive(
    helper,
    PLACE,
    Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Uint8Array>)),
  );
  for (const name of links) await unlink(join(folder, name));
  for (const { path, isFolder, mode } of strangers) {
    const entry = await lstat(join(folder, path));
    if (entry.uid !== uid) {
      throw new Error(`Cannot take over "${path}" from a container: its engine left it to user ${entry.uid}`);
    }
    if (!isFolder) await chmod(join(folder, path), mode);
  }
}
