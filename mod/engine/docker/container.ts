/** Makes a run's container, whatever an earlier try left behind (invariants.md section 4, C5). */
import { BacalhauError } from '../../model/mod.ts';
import { type ContainerCreate, type Docker, DockerError } from '../../../runtime/docker/mod.ts';
import type { RunRequest } from '../engine.ts';
import { runOfLabels } from './names.ts';

/** What only the first refusal tells: overlay2 on xfs without `pquota`, podman's drivers. */
const NO_STORAGE_SIZE = /storage[- ]opt/i;

/** @returns the container's id */
export async function createContainer(
  docker: Docker,
  config: ContainerCreate,
  name: string,
  request: RunRequest,
  installId: string,
): Promise<string> {
  try {
    return (await docker.containers.create(config, { name })).Id;
  } catch (thrown) {
    if (!(thrown instanceof DockerError)) throw thrown;
    if (config.HostConfig?.StorageOpt && NO_STORAGE_SIZE.test(thrown.message)) {
      // The node measures the disk use of its runs anyway.
      const { StorageOpt: _, ...HostConfig } = config.HostConfig;
      return await createContainer(docker, { ...config, HostConfig }, name, request, installId);
    }
    if (thrown.code !== 'Conflict') throw thrown;
  }
  await removeLeftover(docker, name, request, installId);
  return (await docker.containers.create(config, { name })).Id;
}

/**
 * What has the name goes when it is ours and no run depends on it: it was made and never started, or belongs to a run
 * that this one replaces.
 */
async function removeLeftover(
  docker: Docker,
  name: string,
  request: RunRequest,
  installId: string,
): Promise<void> {
  const there = await docker.containers.inspect(name).catch((thrown: unknown) => {
    if (thrown instanceof DockerError && thrown.code === 'ContainerNotFound') return null;
    throw thrown;
  });
  if (!there) return;
  const run = runOfLabels(installId, there.Config.Labels ?? null);
  const started = there.State.Status !== 'created';
  if (run?.executionId === request.executionId && (!started || run.runNo < request.runNo)) {
    return await removeContainer(docker.containers.remove(there.Id, { force: true, volumes: true }));
  }
  throw new BacalhauError(
    'Conflict',
    `Cannot create container "${name}": ${
      run ? 'it is there already and was started' : 'somebody else has a container of that name'
    }`,
    {
      component: 'Docker',
      hint: run
        ? 'Its end is not known, so the run is not repeated here'
        : `Two nodes of one id may share this engine; otherwise: docker rm -f ${there.Id.slice(0, 12)}`,
      details: { class: 'infrastructure' },
    },
  );
}

export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof DockerError && thrown.code === 'ContainerNotFound';
}

/** Fine when it is gone, or somebody else is at it. */
export async function removeContainer(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (thrown) {
    const fine = thrown instanceof DockerError &&
      (isNotFound(thrown) || thrown.code === 'NotFound' ||
        (thrown.code === 'Conflict' && /already in progress/i.test(thrown.message)));
    if (!fine) throw thrown;
  }
}
