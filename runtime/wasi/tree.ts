/**
 * The file tree that a guest sees: one root, in which host files and directories are mounted at paths. Directories on
 * the way to a mount exist in the tree only and are read-only.
 *
 * Every path is walked one component at a time, each directory held by a handle (host_directory.ts): `..` and the
 * targets of symbolic links are resolved here and never by the host, so no path, link or exchange of links reaches a
 * host file outside the mounts. Nothing above the directory that a call starts from is reachable either, as WASI wants.
 * Absolute links are refused.
 */
import { readlinkSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { Errno, WasiError } from './errno.ts';
import {
  type HostDirectory,
  hostDirectory,
  type HostFile,
  hostFile,
  type HostStat,
  hostStat,
  identityOf,
  isDirectory,
  isPlainName,
} from '../files/mod.ts';

/** A file or folder of the host in the tree of a module. */
export interface Mount {
  /** Absolute path of a file or directory of the host. */
  readonly hostPath: string;
  /** Where the guest sees it; leading slashes do not matter. */
  readonly guestPath: string;
  readonly readOnly: boolean;
  /** What is to be there (PathHandle.identity); absent = whatever is. */
  readonly identity?: string;
}

interface Mounted {
  /** One of the two. */
  readonly directory: HostDirectory | null;
  readonly file: HostFile | null;
  readonly readOnly: boolean;
}

interface Node {
  /** Inode of a directory that only the tree has. */
  readonly id: bigint;
  mount: Mounted | null;
  readonly children: Map<string, Node>;
}

/** A directory of the tree. */
export interface Location {
  /** Where mount points are at or below it. */
  readonly node: Node | null;
  /** Null for a directory that only the tree has. */
  readonly directory: HostDirectory | null;
  /** What it belongs to. */
  readonly mount: Mounted | null;
}

const MAX_LINKS = 40;

/** The file system that a module sees: its mounts, and the folders that lead to them. */
export class Tree {
  readonly #root: Node = { id: 1n, mount: null, children: new Map() };
  readonly #mounts: Mounted[] = [];
  #nodes = 1n;

  /** @throws Error when two mounts claim one path, or the host's file does not exist or is a pipe, device or socket */
  constructor(mounts: readonly Mount[]) {
    for (const mount of mounts) {
      const { guestPath } = mount;
      const path = components(guestPath).filter((part) => part !== '.');
      if (path.includes('..')) throw new Error(`Cannot mount at "${guestPath}": the path contains ".."`);
      let node = this.#root;
      for (const part of path) {
        let child = node.children.get(part);
        if (!child) node.children.set(part, child = { id: ++this.#nodes, mount: null, children: new Map() });
        node = child;
      }
      if (node.mount) throw new Error(`Cannot mount at "${guestPath}": the path is used twice`);
      this.#mounts.push(node.mount = mounted(mount));
    }
  }

  /** Gives up all handles of mounts. */
  close(): void {
    for (const { directory, file } of this.#mounts.splice(0)) (directory ?? file)?.close();
  }

  /** The root; released by whoever got it. */
  root(): Location {
    const { mount } = this.#root;
    return { node: this.#root, directory: mount?.directory?.share() ?? null, mount };
  }

  /**
   * Walks `path` from the directory `base` and does something at its end, where there may be nothing.
   * @param follow whether a symbolic link at the end is followed
   * @throws WasiError
   */
  walk<T>(base: Location, path: string, follow: boolean, use: (place: Place) => T): T {
    if (path === '') throw new WasiError(Errno.noent);
    if (path.includes('\0')) throw new WasiError(Errno.inval);
    const waiting = components(absoluteRefused(path)).reverse();
    let mustBeDirectory = /(^|\/)\.{0,2}$/.test(path);
    const walked: string[] = [];
    let links = 0;
    let here = shared(base);
    try {
      for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
        if (part === '.') continue;
        if (part === '..') {
          if (walked.pop() === undefined) throw new WasiError(Errno.notcapable);
          release(here);
          here = shared(base);
          for (const name of walked) here = entered(here, name);
          continue;
        }
        if (sep === '\\' && !isPlainName(part)) throw new WasiError(Errno.inval);
        const last = waiting.length === 0;
        let stat: HostStat | null | undefined;
        let isLink: boolean;
        if (last) {
          isLink = false;
          if (follow || mustBeDirectory) {
            const place = new Place(here, part, mustBeDirectory);
            stat = place.stat();
            isLink = stat?.isSymbolicLink() ?? false;
          }
          if (!isLink) return use(new Place(here, part, mustBeDirectory, stat));
        } else {
          const next = enter(here, part);
          if (next === 'missing') throw new WasiError(Errno.noent);
          isLink = next === 'other';
          if (next !== 'other') {
            release(here);
            here = next;
            walked.push(part);
          }
        }
        if (isLink) {
          if (++links > MAX_LINKS) throw new WasiError(Errno.loop);
          const target = linkTarget(here, part);
          if (last && target.endsWith('/')) mustBeDirectory = true;
          waiting.push(...components(absoluteRefused(target)).reverse());
        }
      }
      return use(new Place(here, '.', true));
    } finally {
      release(here);
    }
  }
}

/** Where a walk ended: a name in a directory, or (`.`) the directory itself. Valid within the walk only. */
export class Place {
  readonly name: string;
  /** Whether the path was written with a slash at its end: it means a directory. */
  readonly mustBeDirectory: boolean;
  /** Whether a mount point is here or below, so that it cannot be moved or removed. */
  readonly pinned: boolean;
  readonly mount: Mounted | null;
  readonly #parent: Location;
  readonly #node: Node | null;
  #stat: HostStat | null | undefined;

  constructor(parent: Location, name: string, mustBeDirectory: boolean, stat?: HostStat | null) {
    this.#parent = parent;
    this.name = name;
    this.mustBeDirectory = mustBeDirectory;
    this.#stat = stat;
    this.#node = name === '.' ? parent.node : parent.node?.children.get(name) ?? null;
    this.pinned = this.#node !== null && (name !== '.' || this.#node.mount !== null);
    this.mount = name === '.' ? parent.mount : this.#node?.mount ?? parent.mount;
  }

  get readOnly(): boolean {
    return this.mount?.readOnly ?? true;
  }

  /** Inode of what only the tree has. */
  get id(): bigint {
    return this.#node?.id ?? 0n;
  }

  /** A path for calls that do not follow links; null where only the tree has a directory. */
  get hostPath(): string | null {
    const mount = this.#node?.mount;
    if (this.name !== '.' && mount) return mount.directory?.self ?? mount.file!.path;
    const { directory } = this.#parent;
    if (this.name === '.') return directory?.self ?? null;
    const path = directory?.at(this.name) ?? null;
    // On the way to a mount: the host's directory if there is one.
    if (this.#node && path !== null) return hostStat(path)?.isDirectory() ? path : null;
    return path;
  }

  /** Null when there is nothing, or only the tree's own; see {@link virtual}. Looked up once. */
  stat(): HostStat | null {
    if (this.#stat !== undefined) return this.#stat;
    const path = this.hostPath;
    return this.#stat = path === null ? null : hostStat(path);
  }

  /** A directory that only the tree has. */
  get virtual(): boolean {
    return this.hostPath === null && (this.name === '.' || this.#node !== null);
  }

  /** @throws WasiError EROFS, EBUSY: a path of something that may be made, changed or removed here */
  changeable(): string {
    if (this.readOnly) throw new WasiError(Errno.rofs);
    if (this.pinned) throw new WasiError(Errno.busy);
    const path = this.hostPath;
    if (path === null) throw new WasiError(Errno.rofs);
    return path;
  }

  /** The directory here, to be released. @throws WasiError ENOENT, ENOTDIR */
  location(): Location {
    if (this.name === '.') return shared(this.#parent);
    const next = enter(this.#parent, this.name);
    if (typeof next === 'string') throw new WasiError(next === 'missing' ? Errno.noent : Errno.notdir);
    return next;
  }

  /** The regular file here. @throws WasiError, or what the host says */
  openFile(flags: number): number {
    const mounted = this.#node?.mount?.file;
    if (mounted) return mounted.open(flags);
    if (!this.#parent.directory) throw new WasiError(Errno.noent);
    const file = this.#parent.directory.file(this.name);
    try {
      return file.open(flags);
    } finally {
      file.close();
    }
  }
}

/** @throws Error */
function mounted({ hostPath, guestPath, readOnly, identity }: Mount): Mounted {
  const real = realpathSync(hostPath);
  try {
    const directory = isDirectory(real) ? hostDirectory(real) : null;
    const file = directory ? null : hostFile(real);
    const found = hostStat(directory?.self ?? file!.path);
    if (identity === undefined || (found && identityOf(found) === identity)) {
      return { directory, file, readOnly };
    }
    (directory ?? file!).close();
    throw new Error(`Cannot mount "${hostPath}" at "${guestPath}": it was exchanged since it was checked`);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOTSUP') throw error;
    throw new Error(`Cannot mount "${hostPath}" at "${guestPath}": it is neither a file nor a directory`, {
      cause: error,
    });
  }
}

/** Names that are mounted directly in a directory. */
export function mountedNames({ node }: Location): string[] {
  return node ? [...node.children.keys()] : [];
}

export function shared(location: Location): Location {
  location.directory?.share();
  return location;
}

export function release(location: Location): void {
  location.directory?.close();
}

/** The directory `name` in a directory, to be released; `other` is a link or a file. */
function enter(from: Location, name: string): Location | 'missing' | 'other' {
  const node = from.node?.children.get(name) ?? null;
  if (node?.mount) {
    const { mount } = node;
    return mount.directory ? { node, directory: mount.directory.share(), mount } : 'other';
  }
  const directory = from.directory?.open(name) ?? 'missing';
  if (typeof directory !== 'string') return { node, directory, mount: from.mount };
  return node ? { node, directory: null, mount: null } : directory;
}

/** As `enter`, for a name that was a directory before; releases where it came from. */
function entered(from: Location, name: string): Location {
  const next = enter(from, name);
  if (typeof next === 'string') throw new WasiError(next === 'missing' ? Errno.noent : Errno.notdir);
  release(from);
  return next;
}

/** @throws WasiError ENOTDIR when it is no link */
function linkTarget({ node, directory }: Location, name: string): string {
  if (!directory || node?.children.has(name)) throw new WasiError(Errno.notdir);
  try {
    return readlinkSync(directory.at(name));
  } catch (error) {
    if ((error as { code?: string }).code === 'EINVAL') throw new WasiError(Errno.notdir);
    throw error;
  }
}

/** @throws WasiError ENOTCAPABLE for what starts at a root of the host */
export function absoluteRefused(path: string): string {
  if (path.startsWith('/') || (sep === '\\' && /^[A-Za-z]:|^\\/.test(path))) {
    throw new WasiError(Errno.notcapable);
  }
  return path;
}

function components(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
