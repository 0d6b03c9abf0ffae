/** Where inputs come from. A source knows nothing of jobs: it gets a spec and a private folder, and gives a host path. */
import type { PathHandle } from '../../runtime/files/mod.ts';
import type { Refusal, SpecConfig } from '../model/mod.ts';
import type { DiskRoom } from './room.ts';

/** One input of one execution, and where it may be put. */
export interface PrepareRequest {
  readonly spec: SpecConfig;
  /** What the program will see it as; some sources treat it as a file, some as a directory (job-spec.md 4). */
  readonly target: string;
  /** Private, existing folder for what is fetched. */
  readonly directory: string;
  /** This partition's index and the number of partitions (0 for ops and daemon). */
  readonly partitionIndex: number;
  readonly partitionCount: number;
  /** To be taken from before anything is written to the folder. */
  readonly room: DiskRoom;
  readonly signal: AbortSignal;
}

/** An input that is there, ready to be mounted. */
export interface PreparedInput {
  readonly hostPath: string;
  /** Where others may change what is above the path: of what was checked there, for whoever asked to dispose of. */
  readonly handle?: PathHandle;
  /** What the program may do with it as far as the source allows; local paths may be writable. */
  readonly readOnly: boolean;
}

/** Fetches inputs of one type; looked at first when a node decides on a bid. */
export interface Source {
  /** `inline`, `urlDownload`, `local` …; compared ignoring case. */
  readonly type: string;
  /** Further names of the same source (`localDirectory`). */
  readonly aliases?: readonly string[];
  /** Null when it can be used on this node. */
  available(): Promise<Refusal | null>;
  /** At bid time: whether the spec is valid and allowed here, null if so. Cheap: no data is moved. */
  check(spec: SpecConfig): Promise<Refusal | null>;
  /** Bytes that preparing will take on this node's disk. @throws BacalhauError */
  size(spec: SpecConfig, signal: AbortSignal): Promise<number>;
  /** @throws BacalhauError with `details.class` of `user` or `infrastructure` */
  prepare(request: PrepareRequest): Promise<PreparedInput>;
}
