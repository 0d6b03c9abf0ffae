/** What the families of WASI functions share. */
import type { Descriptors } from './descriptors.ts';
import type { GuestMemory } from './memory.ts';
import type { Tree } from './tree.ts';

export interface Host {
  /** Of the module instance that calls. */
  readonly memory: GuestMemory;
  readonly descriptors: Descriptors;
  readonly tree: Tree;
  readonly args: readonly string[];
  /** `NAME=value`, sorted by name. */
  readonly env: readonly string[];
}

/** Returns an errno, or nothing for success. 64-bit integers arrive as bigint, all others as signed 32-bit numbers. */
export type WasiFunction = (...args: never[]) => number | void;

export type Family = (host: Host) => Readonly<Record<string, WasiFunction>>;
