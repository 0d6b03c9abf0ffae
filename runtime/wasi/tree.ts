/**
 * The file tree that a guest sees: one root, in which host files and directories are mounted at paths. Directories on
 * the way to a mount exist in the tree only and are read-only.
 *
 * Every path is walked one component at a time *in the guest's tree*: `..` and the targets of symbolic links are
 * resolved there and never by the host, so no path, link or combination of them reaches a host file outside the mounts.
 * Nothing above the directory that a call starts from is reachable either, as WASI wants. Absolute links are refused.
 */
import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { Errno, WasiError } from './errno.ts';

export interface Mount {
  /** Absolute path of a file or directory of the host. */
  readonly hostPath: string;
  /** Where the guest sees it; leading slashes do not matter. */
  readonly guestPath: string;
  readonly readOnly: boolean;
}

interface Mounted {
  readonly hostPath: string;
  readonly directory: boolean;
  readonly readOnly: boolean;
}

interface Node {
  mount: Mounted | null;
  readonly children: Map<string, Node>;
}

/** A path that was walked to its end; the last component may not exist. */
export interface Place {
  /** Components from the root. */
  readonly path: readonly string[];
  /** Null for a directory of the tree's own. */
  readonly hostPath: string | null;
  readonly readOnly: boolean;
  /** Names mounted directly below. */
  readonly mounted: readonly string[];
  /** Whether this very path is a mount point (or leads to one) and so cannot be moved or removed. */
  readonly pinned: boolean;
  /** Whether the path was written with a slash at its end: it means a directory. */
  readonly mustBeDirectory: boolean;
}

const MAX_LINKS = 40;

export class Tree {
  readonly #root: Node = { mount: null, children: new Map() };

  /** @throws Error when two mounts claim one path, or the host's file does not exist */
  constructor(mounts: readonly Mount[]) {
    for (const { hostPath, guestPath, readOnly } of mounts) {
      const path = components(guestPath).filter((part) => part !== '.');
      if (path.includes('..')) throw new Error(`Cannot mount at "${guestPath}": the path contains ".."`);
      let node = this.#root;
      for (const part of path) {
        let child = node.children.get(part);
        if (!child) node.children.set(part, child = { mount: null, children: new Map() });
        node = child;
      }
      if (node.mount) throw new Error(`Cannot mount at "${guestPath}": the path is used twice`);
      const real = realpathSync(hostPath);
      node.mount = { hostPath: real, directory: statSync(real).isDirectory(), readOnly };
    }
  }

  /**
   * Walks `path` from the directory `base`.
   * @param follow whether a symbolic link at the end is followed
   * @param create whether the last component may be made: where it cannot ever be, that is said instead of "missing"
   * @throws WasiError
   */
  resolve(base: readonly string[], path: string, follow: boolean, create = false): Place {
    if (path === '') throw new WasiError(Errno.noent);
    if (path.includes('\0')) throw new WasiError(Errno.inval);
    if (path.startsWith('/')) throw new WasiError(Errno.notcapable);
    const waiting = components(path).reverse();
    const walked: string[] = [];
    let mustBeDirectory = path.endsWith('/') || /(^|\/)\.\.?$/.test(path);
    let links = 0;
    while (waiting.length > 0) {
      const part = waiting.pop()!;
      if (part === '.') continue;
      if (part === '..') {
        if (walked.pop() === undefined) throw new WasiError(Errno.notcapable);
        continue;
      }
      if (sep === '\\' && /[\\:]/.test(part)) throw new WasiError(Errno.inval);
      walked.push(part);
      const last = waiting.length === 0;
      if (last && !follow && !mustBeDirectory) break;
      const { hostPath } = this.locate([...base, ...walked], create && last);
      if (hostPath === null) continue;
      const stat = lstat(hostPath);
      if (stat?.isSymbolicLink()) {
        if (++links > MAX_LINKS) throw new WasiError(Errno.loop);
        const target = readlinkSync(hostPath);
        if (target.startsWith('/') || (sep === '\\' && /^[A-Za-z]:|^\\/.test(target))) {
          throw new WasiError(Errno.notcapable);
        }
        walked.pop();
        waiting.push(...components(target).reverse());
        if (last && target.endsWith('/')) mustBeDirectory = true;
      } else if (!last && !stat) {
        throw new WasiError(Errno.noent);
      } else if (stat && !stat.isDirectory() && (!last || mustBeDirectory)) {
        throw new WasiError(Errno.notdir);
      }
    }
    return { ...this.locate([...base, ...walked], create), mustBeDirectory };
  }

  /** What lies at a path whose components are all plain names. @throws WasiError */
  locate(path: readonly string[], create = false): Place {
    let node: Node | undefined = this.#root;
    let mount = this.#root.mount;
    let below = 0;
    for (let index = 0; index < path.length; index++) {
      node = node?.children.get(path[index]!);
      if (node?.mount) {
        mount = node.mount;
        below = index + 1;
      }
    }
    const rest = path.slice(below);
    if (!mount && !node) throw new WasiError(create ? Errno.rofs : Errno.noent);
    if (mount && !mount.directory && rest.length > 0) throw new WasiError(Errno.notdir);
    return {
      path,
      hostPath: mount ? join(mount.hostPath, ...rest) : null,
      readOnly: mount?.readOnly ?? true,
      mounted: node ? [...node.children.keys()] : [],
      pinned: node !== undefined,
      mustBeDirectory: false,
    };
  }
}

function components(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

/** Null when there is nothing. */
export function lstat(hostPath: string): Stats | null {
  return lstatSync(hostPath, { throwIfNoEntry: false }) ?? null;
}
