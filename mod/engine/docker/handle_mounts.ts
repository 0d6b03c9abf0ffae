/**
 * Folders mounted by handle. A path that the engine resolves when a container starts may lead elsewhere by then; a volume of
 * its driver `local` over `/proc/<pid>/fd/N` is the folder that this process holds, whatever its names are. (A bind
 * of that path is refused by the kernel: runc mounts in a namespace of its own, to which the handle does not belong.)
 *
 * It takes an engine on this machine in the same namespaces of processes and mounts; anywhere else the path could be anything,
 * so it is proved first. Where it fails, and for single files, which are no volumes, paths are mounted by name and looked at once
 * more before the start.
 */
import { randomBytes } from 'node:crypto';
import type { ContainerInspect, Docker, Mount } from '../../../runtime/docker/mod.ts';
import { ContainedFiles, PathHandle } from '../../../runtime/files/mod.ts';
import type { StringMap } from '../../model/mod.ts';
import { createFromHolder } from './http_network/mod.ts';
import { removeContainer } from './container.ts';

const PROC = '/proc/';
const PLACE = '/folder';

/** What is mounted with the container's start and unmounted with its end; it goes with the container. */
export function handleMount(handle: PathHandle, Target: string, readOnly: boolean): Mount {
  // Docker takes no `ReadOnly` for volumes that go with their container.
  const Options = { type: 'none', o: readOnly ? 'rbind,ro' : 'rbind', device: handle.place };
  return {
    Type: 'volume',
    Target,
    VolumeOptions: { NoCopy: true, DriverConfig: { Name: 'local', Options } },
  };
}

/** Whether a container mounts what some process holds, or held. */
export function mountsHandles({ HostConfig: { Mounts } }: ContainerInspect): boolean {
  return Mounts?.some((mount) => mount.VolumeOptions?.DriverConfig?.Options?.device?.startsWith(PROC)) ??
    false;
}

/**
 * Mounts a folder by its handle into a container that is never started, and looks for a name that only this folder has.
 * @param directory the node's own
 * @param labels of the container, for whoever finds one left by a crash
 */
export async function seesHandles(docker: Docker, directory: string, labels: StringMap): Promise<boolean> {
  using files = new ContainedFiles(directory);
  using handle = new PathHandle(directory);
  if (!docker.endpoint.isLocal || !handle.place.startsWith(PROC)) return false;
  const name = randomBytes(16).toString('hex');
  await files.write(`${directory}/${name}`, '');
  let helper: string | null = null;
  try {
    const Mounts = [handleMount(handle, PLACE, true)];
    helper = await createFromHolder(docker, { Labels: labels, HostConfig: { NetworkMode: 'none', Mounts } });
    const { tar } = await docker.containers.getArchive(helper, `${PLACE}/${name}`);
    tar.destroy();
    return true;
  } catch {
    // It cannot be mounted, or is another folder.
    return false;
  } finally {
    await files.remove(`${directory}/${name}`);
    if (helper !== null) {
      await removeContainer(docker.containers.remove(helper, { force: true, volumes: true }));
    }
  }
}
