/**
 * What the Engine API takes and gives, in its own field names (API 1.41 to 1.51); only what this program uses.
 * https://docs.docker.com/reference/api/engine/version/v1.41/
 */

/** `GET /version`. */
export interface DockerVersion {
  readonly Version: string;
  readonly Os: string;
  readonly Arch: string;
  readonly Platform?: { readonly Name: string };
  /** The one named `Engine` (podman: `Podman Engine`) tells the platform of containers. */
  readonly Components?: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>>;
  }[];
}

/** `GET /info`. */
export interface DockerInfo {
  readonly ID: string;
  readonly Name: string;
  readonly NCPU: number;
  readonly ServerVersion: string;
  readonly OSType: string;
  /** As `uname -m` says it: `x86_64`, `aarch64`. */
  readonly Architecture: string;
  readonly Driver: string;
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly PidsLimit?: boolean;
  /** Containers outlive the engine's restart. */
  readonly LiveRestoreEnabled?: boolean;
  /** `Log`: the log drivers that containers may name. */
  readonly Plugins?: { readonly Log?: readonly string[] | null };
  readonly Warnings?: readonly string[] | null;
}

/** A container's port (`80/tcp`) on the host. */
export interface PortBinding {
  readonly HostIp?: string;
  /** Empty: the engine picks one. */
  readonly HostPort: string;
}
/** Ports of a container, as `80/tcp`, with what they are on the host. */
export type PortMap = Readonly<Record<string, readonly PortBinding[] | null>>;

/** A mount of a container to be made. */
export interface Mount {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly DriverConfig?: { readonly Name: string; readonly Options?: Readonly<Record<string, string>> };
  };
}

/** A request for devices to a driver, as for GPUs of NVIDIA. */
export interface DeviceRequest {
  readonly Driver?: string;
  readonly Count?: number;
  readonly DeviceIDs?: readonly string[];
  readonly Capabilities?: readonly (readonly string[])[];
  readonly Options?: Readonly<Record<string, string>>;
}

/** A device node of the host in a container. */
export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** The part of a container's configuration that is about its host. */
export interface HostConfig {
  /** Bytes; 0 = no limit. */
  readonly Memory?: number;
  /** Bytes of memory and swap together; equal to `Memory` = no swap. */
  readonly MemorySwap?: number;
  /** Thousand-millionths of a processor. */
  readonly NanoCpus?: number;
  readonly PidsLimit?: number;
  readonly ShmSize?: number;
  readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly Mounts?: readonly Mount[];
  readonly NetworkMode?: string;
  readonly PortBindings?: PortMap;
  readonly ExtraHosts?: readonly string[];
  readonly Devices?: readonly DeviceMapping[];
  readonly DeviceRequests?: readonly DeviceRequest[];
  readonly CapDrop?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  readonly ReadonlyRootfs?: boolean;
  readonly AutoRemove?: boolean;
  readonly RestartPolicy?: { readonly Name: string; readonly MaximumRetryCount?: number };
  readonly LogConfig?: { readonly Type: string; readonly Config?: Readonly<Record<string, string>> };
  readonly StorageOpt?: Readonly<Record<string, string>>;
}

/** A container's place in a network. */
export interface EndpointSettings {
  readonly MacAddress?: string;
  readonly Gateway?: string;
  readonly IPAddress?: string;
}

/** What image and container share. */
export interface ContainerConfig {
  readonly Image?: string;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Env?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>> | null;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>> | null;
  readonly Tty?: boolean;
  readonly StopSignal?: string;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly NetworkDisabled?: boolean;
  /** Up to API 1.43; later ones want it in `NetworkingConfig`. The client moves it. */
  readonly MacAddress?: string;
}

/** `POST /containers/create`. */
export interface ContainerCreate extends ContainerConfig {
  readonly Image: string;
  readonly HostConfig?: HostConfig;
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, EndpointSettings>> };
}

/** How a container is, or how it ended. */
export interface ContainerState {
  readonly Status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead' | string;
  readonly Running: boolean;
  readonly OOMKilled: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  /** What the engine says when it could not start it. */
  readonly Error: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` = never. */
  readonly StartedAt: string;
}

/** `GET /containers/{id}/json`. */
export interface ContainerInspect {
  readonly Id: string;
  /** With a leading slash. */
  readonly Name: string;
  readonly Created: string;
  readonly Image: string;
  readonly Driver: string;
  readonly Platform?: string;
  readonly State: ContainerState;
  readonly Config: ContainerConfig;
  readonly HostConfig: HostConfig;
  readonly Mounts: readonly {
    readonly Type: string;
    readonly Name?: string;
    readonly Source: string;
    readonly Destination: string;
    readonly RW: boolean;
  }[];
  readonly NetworkSettings: {
    readonly SandboxKey?: string;
    readonly IPAddress?: string;
    readonly MacAddress?: string;
    readonly Ports?: PortMap | null;
    readonly Networks?: Readonly<Record<string, EndpointSettings>> | null;
  };
  /** Bytes of the writable layer; only when asked with `size`. */
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
}

/** An entry of `GET /containers/json`. */
export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly State: string;
  readonly Status: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
}

/** `POST /containers/{id}/update`. */
export interface ContainerUpdate {
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly NanoCpus?: number;
  readonly PidsLimit?: number;
  readonly RestartPolicy?: { readonly Name: string; readonly MaximumRetryCount?: number };
}

/** System and architecture of an image, in the names of OCI. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** `GET /images/{name}/json`. */
export interface ImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  /** `name@sha256:…` of each registry it came from or went to; empty for images built here. */
  readonly RepoDigests: readonly string[] | null;
  readonly Created?: string;
  readonly Os: string;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Size: number;
  readonly Config: ContainerConfig | null;
  readonly Metadata?: { readonly LastTagTime?: string };
}

/** An entry of `GET /images/json`. */
export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Size: number;
  /** Number of containers that use it; -1 = not counted. */
  readonly Containers: number;
  readonly Labels: Readonly<Record<string, string>> | null;
}

/** What a registry has under a name. */
export interface DistributionInspect {
  readonly Descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly Platforms: readonly Platform[] | null;
}

/** `POST /networks/create`. */
export interface NetworkCreate {
  readonly Name: string;
  readonly Driver?: string;
  readonly Internal?: boolean;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Options?: Readonly<Record<string, string>>;
  readonly IPAM?: {
    readonly Driver?: string;
    readonly Config?: readonly { readonly Subnet?: string; readonly Gateway?: string }[];
  };
}

/** `GET /networks/{id}`. */
export interface NetworkInspect {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Internal: boolean;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly IPAM: {
    readonly Config?: readonly { readonly Subnet?: string; readonly Gateway?: string }[] | null;
  };
  readonly Containers?:
    | Readonly<Record<string, { readonly Name: string; readonly IPv4Address: string }>>
    | null;
}

/** A volume, as its calls answer. */
export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
}

/** A line of `GET /events`. */
export interface DockerEvent {
  /** `create`, `start`, `oom`, `die`, `destroy`, `pull` … */
  readonly Action: string;
  /** `container`, `image`, `network`, `volume`, `daemon` … */
  readonly Type: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  /** Seconds since 1970. */
  readonly time: number;
}

/** What `wait` resolves with. */
export interface WaitResult {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

/** What is at a path inside a container. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode: the low nine bits are the permissions, bit 31 says directory. */
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}

/** What the engine sends to a registry (header X-Registry-Auth). */
export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
  readonly serveraddress?: string;
}

/** A line of the answer to a pull. */
export interface PullProgress {
  /** `Pulling fs layer`, `Downloading`, `Extracting`, `Pull complete`, `Digest: sha256:…` … */
  readonly status: string;
  /** Layer, or tag for lines about the whole. */
  readonly id?: string;
  /** Bytes of this layer. */
  readonly current?: number;
  readonly total?: number;
}

/** What a pull brought. */
export interface PullResult {
  /** Digest of the manifest (or index) that the registry gave under the name; podman does not say it. */
  readonly digest?: string;
}
