/**
 * From a run to the body of `containers/create`: pure, so that all that is enforced on a program can be read here. What
 * depends on the host (image, network, devices, the engine's abilities) is found before and handed in.
 */
import { BacalhauError, type NetworkType, type StringMap } from '../../model/mod.ts';
import type { ContainerCreate, HostConfig, Mount, PortMap } from '../../../runtime/docker/mod.ts';
import type { PathHandle } from '../../../runtime/files/mod.ts';
import type { RunRequest } from '../engine.ts';
import type { EngineFacts } from './facts.ts';
import type { GpuFields } from './gpus.ts';
import { handleMount } from './handle_mounts.ts';
import { type Installation, objectLabels } from './names.ts';
import { DROPPED, type Hardening } from './options.ts';
import type { DockerParams } from './docker_params.ts';

export interface ContainerPlan {
  readonly request: RunRequest;
  readonly params: DockerParams;
  /** What `ensure` gave: an id, or a name with a digest. */
  readonly image: string;
  readonly installation: Installation;
  readonly hardening: Hardening;
  readonly facts: EngineFacts;
  readonly gpus: GpuFields;
  readonly network: NetworkPlan;
  /** Whether the engine mounts folders by the handles of this process. */
  readonly byHandle: boolean;
}

export type NetworkPlan =
  | { readonly kind: 'host' }
  /** `hosts`: a file that stands in for the `/etc/hosts` that the engine makes only where there is a network. */
  | { readonly kind: 'none'; readonly hosts?: string | undefined }
  | { readonly kind: 'bridge'; readonly macAddress?: string | undefined }
  /** The namespace of the run's holder, with the variables that name its proxy. */
  | { readonly kind: 'http'; readonly networkMode: string; readonly env: StringMap };

const MIB = 1024 ** 2;
/** What Docker takes at least. */
const LEAST_NANO_CPUS = 10_000_000;
const HOST_GATEWAY = 'host.docker.internal:host-gateway';

/** The network that a task means; `Default` is the bridge, as in the original (job-spec.md 1.13). */
export function networkKind(type: NetworkType | undefined): NetworkPlan['kind'] {
  switch (type ?? 'Default') {
    case 'None':
      return 'none';
    case 'Host':
    case 'Full':
      return 'host';
    case 'HTTP':
      return 'http';
    default:
      return 'bridge';
  }
}

/** @throws BacalhauError of class `user` when two mounts claim one place, or one is not absolute */
export function containerConfig(plan: ContainerPlan): ContainerCreate {
  const { request, params, network, installation } = plan;
  const ports = network.kind === 'bridge' ? published(request) : null;
  return {
    Image: plan.image,
    ...(params.entrypoint && { Entrypoint: params.entrypoint }),
    ...(params.parameters && { Cmd: params.parameters }),
    ...(params.workingDirectory !== undefined && { WorkingDir: params.workingDirectory }),
    Env: environment(plan),
    Labels: objectLabels(installation, request, 'executor'),
    Tty: false,
    OpenStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    ...(ports && { ExposedPorts: Object.fromEntries(Object.keys(ports).map((port) => [port, {}])) }),
    // Beside the mode, so that the engine sets up no network sandbox: the kernel's empty namespace has the same loopback.
    ...(network.kind === 'none' && { NetworkDisabled: true }),
    ...(network.kind === 'bridge' && network.macAddress !== undefined && { MacAddress: network.macAddress }),
    HostConfig: {
      ...limits(plan),
      ...confinement(plan),
      ...plan.gpus,
      Mounts: mounts(plan),
      NetworkMode: network.kind === 'http' ? network.networkMode : network.kind,
      ...(ports && { PortBindings: ports }),
      ...logConfig(plan),
      // Its end is looked at before it is removed, and it never runs twice (invariants.md C6).
      AutoRemove: false,
      RestartPolicy: { Name: 'no' },
    },
  };
}

/** Task and system variables, then the spec's own, then those that lead to the proxy: the later wins. */
function environment({ request, params, network }: ContainerPlan): readonly string[] {
  const env = new Map(Object.entries(request.env));
  for (const [name, value] of params.env) env.set(name, value);
  if (network.kind === 'http') {
    for (const [name, value] of Object.entries(network.env)) env.set(name, value);
  }
  return [...env].map(([name, value]) => `${name}=${value}`);
}

function limits({ request, params, hardening, facts }: ContainerPlan): HostConfig {
  const { CPU = 0, Memory = 0, Disk = 0 } = request.resources;
  const pids = hardening.pidsLimit ?? 4096;
  const shmSize = params.shmSize ?? hardening.shmSize ?? 0;
  return {
    ...(CPU > 0 && { NanoCpus: Math.max(LEAST_NANO_CPUS, Math.round(CPU * 1e9)) }),
    // Memory and swap together as much as memory alone: no swap.
    ...(Memory > 0 && { Memory, ...(facts.swapLimit && { MemorySwap: Memory }) }),
    ...(pids > 0 && facts.pidsLimit && { PidsLimit: pids }),
    ...(shmSize > 0 && { ShmSize: shmSize }),
    ...(params.ulimits.length > 0 && { Ulimits: params.ulimits }),
    ...(Disk > 0 && facts.storageSize && { StorageOpt: { size: String(Disk) } }),
  };
}

function confinement({ hardening, network }: ContainerPlan): HostConfig {
  const dropped = hardening.dropCapabilities ?? DROPPED;
  const reachesHost = network.kind === 'bridge' || network.kind === 'host';
  return {
    ...((hardening.noNewPrivileges ?? true) && { SecurityOpt: ['no-new-privileges'] }),
    ...(dropped.length > 0 && { CapDrop: dropped.map((name) => name.toUpperCase().replace(/^CAP_/, '')) }),
    ...(reachesHost && (hardening.hostGateway ?? true) && { ExtraHosts: [HOST_GATEWAY] }),
  };
}

function mounts({ request: { inputs, outputs }, network, byHandle }: ContainerPlan): readonly Mount[] {
  const taken = new Set<string>();
  const mount = (
    what: string,
    Source: string,
    Target: string,
    ReadOnly: boolean,
    handle?: PathHandle,
  ): Mount => {
    if (!Target.startsWith('/')) {
      throw unusable(`${what} at "${Target}": it is not an absolute path`, 'Begin it with "/"');
    }
    const place = Target.split('/').filter((part) => part !== '' && part !== '.').join('/');
    if (place === '') throw unusable(`${what} at "/": the image is there`, 'Choose a directory of its own');
    if (taken.has(place)) {
      throw unusable(
        `${what} at "${Target}": another input or output is there already`,
        'Give every input source and result path a place of its own',
      );
    }
    taken.add(place);
    if (byHandle && handle?.isFolder) return handleMount(handle, Target, ReadOnly);
    return { Type: 'bind', Source, Target, ReadOnly };
  };
  const own = [
    ...inputs.map(({ hostPath, handle, target, readOnly }) =>
      mount('an input', hostPath, target, readOnly, handle)
    ),
    ...outputs.map(({ name, hostPath, path }) => mount(`output "${name}"`, hostPath, path, false)),
  ];
  const hosts = network.kind === 'none' && !taken.has('etc') && !taken.has('etc/hosts') && network.hosts;
  return hosts ? [...own, mount('names', hosts, '/etc/hosts', true)] : own;
}

function unusable(what: string, hint: string): BacalhauError {
  return new BacalhauError('ValidationError', `Cannot mount ${what}`, {
    component: 'Docker',
    hint,
    details: { class: 'user' },
  });
}

function published({ ports = [] }: RunRequest): PortMap | null {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { Static = 0, Target = 0, HostNetwork } of ports) {
    (bindings[`${Target || Static}/tcp`] ??= []).push({
      HostIp: HostNetwork || '0.0.0.0',
      HostPort: String(Static),
    });
  }
  return ports.length > 0 ? bindings : null;
}

/**
 * Kept until this node has read it, also one that was away: never rotated before our own limit, and one file is kept
 * beside the current one. What was read is ours; the engine's copy goes with the container.
 */
function logConfig({ request, facts }: ContainerPlan): HostConfig {
  if (facts.logDriver === null) return {};
  const size = Math.ceil(Math.max(request.logLimit, MIB) / MIB);
  const Config = { 'max-size': `${size}m`, 'max-file': '2', compress: 'false' };
  return { LogConfig: { Type: facts.logDriver, Config } };
}
