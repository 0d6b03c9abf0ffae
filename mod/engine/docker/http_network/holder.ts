/** The container that holds a run's network namespace: no network but its own loopback, no rights, and no output. */
import { readFileSync, readlinkSync } from 'node:fs';
import { type ContainerCreate, type Docker, DockerError } from '../../../../runtime/docker/mod.ts';
import type { StringMap } from '../../../model/mod.ts';
import { LABEL_OUR_EXECUTION, LABEL_PART, LABEL_RUN } from '../names.ts';
import { createFromHolder } from './holder_image.ts';

export interface Holder {
  readonly id: string;
  readonly pid: number;
  /** `net:[4026532…]`: tells the namespace from any other. */
  readonly namespace: string;
}

/** runc's own start takes most of it; the program needs one page. */
const MEMORY = 32 << 20;
const MAX_PROCESSES = 32;

function configuration(labels: StringMap): Omit<ContainerCreate, 'Image'> {
  return {
    User: '65534:65534',
    Labels: { ...labels, [LABEL_PART]: 'network' },
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: MAX_PROCESSES,
      Memory: MEMORY,
      MemorySwap: MEMORY,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none' },
    },
  };
}

/**
 * Makes and starts it; one of the same name, left by a crash, is replaced.
 * @returns the container's id
 * @throws DockerError
 */
export async function startHolder(
  docker: Docker,
  name: string,
  labels: StringMap,
  signal: AbortSignal,
): Promise<string> {
  const create = () => createFromHolder(docker, configuration(labels), name, signal);
  const id = await create().catch(async (error: unknown) => {
    if (!(error instanceof DockerError && error.code === 'Conflict')) throw error;
    await removeHolder(docker, name);
    return await create();
  });
  try {
    await docker.containers.start(id, signal);
  } catch (error) {
    await removeHolder(docker, id);
    throw error;
  }
  return id;
}

/** @throws Error saying why the namespace cannot be seen from here */
export async function inspectHolder(docker: Docker, id: string): Promise<Holder> {
  const { State } = await docker.containers.inspect(id);
  if (!State.Running || State.Pid <= 0) throw new Error('the container that holds the network does not run');
  return { id, pid: State.Pid, namespace: namespaceOf(id, State.Pid) };
}

/**
 * The namespace of a holder's process. The number that an engine gives may belong to another machine (Docker Desktop, an
 * engine in a container) or, later, to another process; a forwarder in a foreign namespace would open a door to it. A
 * process of the container is known by its control group, which bears the container's id from before the program starts.
 */
function namespaceOf(id: string, pid: number): string {
  let groups: string;
  try {
    groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch (cause) {
    throw new Error(`process ${pid} of the engine cannot be seen from here (${(cause as Error).message})`, {
      cause,
    });
  }
  if (!groups.includes(id)) throw new Error(`process ${pid} is not in the engine's container here`);
  const namespace = readlinkSync(`/proc/${pid}/ns/net`);
  if (namespace === readlinkSync('/proc/self/ns/net')) {
    throw new Error('the engine gave the container the network of this node');
  }
  return namespace;
}

/** Holders of a run, whatever their state, found by their labels. */
export async function findHolders(
  docker: Docker,
  installLabel: string,
  executionId: string,
  runNo: number,
): Promise<{ readonly id: string; readonly running: boolean }[]> {
  const label = [
    installLabel,
    `${LABEL_OUR_EXECUTION}=${executionId}`,
    `${LABEL_RUN}=${runNo}`,
    `${LABEL_PART}=network`,
  ];
  const found = await docker.containers.list({ all: true, filters: { label } });
  return found.map(({ Id, State }) => ({ id: Id, running: State === 'running' }));
}

/** Fine when it is gone. */
export async function removeHolder(docker: Docker, id: string): Promise<void> {
  try {
    await docker.containers.remove(id, { force: true, volumes: true });
  } catch (error) {
    if (!(error instanceof DockerError) || error.code !== 'ContainerNotFound') throw error;
  }
}
