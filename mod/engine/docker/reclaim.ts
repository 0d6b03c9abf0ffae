/**
 * Files that a container's users made are strangers' to a node that is not root: it may neither read nor remove them. The
 * engine, which is root, gives them to the node: a container that is never started has the folder mounted, and archives
 * unpacked into it set owners (a folder's own entry its owner, a hard link that of its file), so nothing is copied.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import process from 'node:process';
import tar from 'tar-stream';
import type { ContainerCreate, Docker } from '../../../runtime/docker/mod.ts';
import { ContainedFiles } from '../../../runtime/files/mod.ts';
import type { StringMap } from '../../model/mod.ts';
import { createFromHolder } from './http_network/mod.ts';
import { removeContainer } from './container.ts';

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
  using files = new ContainedFiles(folder);
  try {
    for (let level = ['']; level.length > 0;) {
      const below: string[] = [];
      const strangers: Stranger[] = [];
      for (const path of level) await look(files, folder, path, below, strangers);
      for (let at = 0; at < strangers.length; at += BATCH) {
        helper ??= await createFromHolder(docker, configuration(folder, labels));
        await give(docker, helper, files, folder, strangers.slice(at, at + BATCH));
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
async function look(
  files: ContainedFiles,
  folder: string,
  path: string,
  below: string[],
  strangers: Stranger[],
): Promise<void> {
  for (const name of await files.names(join(folder, path))) {
    const child = join(path, name);
    await files.visit(join(folder, child), ({ stat, chmod }) => {
      const isFolder = stat.isDirectory();
      if (isFolder) below.push(child);
      else if (!stat.isFile()) return;
      const needed = isFolder ? OWNER_ENTERS : OWNER_READS;
      const mode = (stat.mode & 0o777) | needed;
      if (stat.uid === process.getuid!()) {
        if ((stat.mode & needed) !== needed) chmod(mode);
      } else if (isFolder || (stat.mode & EVERYBODY_READS) === 0) {
        strangers.push({ path: child, isFolder, mode });
      }
    }, false);
  }
}

async function give(
  docker: Docker,
  helper: string,
  files: ContainedFiles,
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
  for (const name of links) await files.remove(join(folder, name));
  for (const { path, isFolder, mode } of strangers) {
    await files.visit(join(folder, path), ({ stat, chmod }) => {
      if (stat.uid !== uid) {
        throw new Error(
          `Cannot take over "${path}" from a container: its engine left it to user ${stat.uid}`,
        );
      }
      if (!isFolder) chmod(mode);
    }, false);
  }
}
