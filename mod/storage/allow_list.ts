/**
 * Which paths of this machine jobs may use: `Compute.AllowListedLocalPaths` (config.md 16). Entries are tried in order;
 * writing needs a matching entry that ends in `:rw`.
 *
 * The original compares texts, so `..` and links lead anywhere. Ours compares where a path really leads; the fixed part of
 * a pattern is resolved likewise, so an entry may itself name a link.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { literalPrefix, pathPattern } from '../../runtime/glob.ts';

export interface AllowEntry {
  readonly pattern: string;
  readonly writable: boolean;
}

export type Access = 'none' | 'read' | 'write';

/** @throws SyntaxError when a pattern has an open bracket or brace */
export function parseAllowList(entries: readonly string[]): readonly AllowEntry[] {
  return entries.map((text) => {
    const [, pattern = '', suffix] = /^(.*?)(?::(ro|rw))?$/s.exec(text.trim())!;
    pathPattern(slashes(pattern));
    return { pattern: slashes(pattern), writable: suffix === 'rw' };
  });
}

/** What may be done with a path that was resolved by {@link realLocation}. */
export async function accessTo(real: string, entries: readonly AllowEntry[]): Promise<Access> {
  let access: Access = 'none';
  for (const { pattern, writable } of entries) {
    if (access !== 'none' && !writable) continue;
    if (!pathPattern(await resolved(pattern))(slashes(real))) continue;
    if (writable) return 'write';
    access = 'read';
  }
  return access;
}

export interface Location {
  readonly real: string;
  /** The part of it that exists. */
  readonly existing: string;
  readonly exists: boolean;
}

/** Where an absolute path really leads: all links resolved, also of the folders above what does not exist yet. */
export async function realLocation(path: string): Promise<Location> {
  const missing: string[] = [];
  for (let above = resolve(path);; above = dirname(above)) {
    try {
      const existing = await realpath(above);
      return { real: join(existing, ...missing), existing, exists: missing.length === 0 };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(above) === above) throw error;
      missing.unshift(basename(above));
    }
  }
}

async function resolved(pattern: string): Promise<string> {
  const prefix = literalPrefix(pattern);
  if (prefix === '' || prefix === '/') return pattern;
  const real = slashes((await realLocation(prefix)).real);
  // Characters of the real path that mean something in a pattern stand for themselves.
  return real.replaceAll(/[*?[{}\\]/g, '\\$&') + pattern.slice(prefix.length);
}

function slashes(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
}
