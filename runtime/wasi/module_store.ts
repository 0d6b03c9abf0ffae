/**
 * Modules that were run before, as files: neither runtime gives away compiled code, so a new process compiles the last
 * ones while nobody waits for it. Named by content and by the pages of memory that they are compiled for; the time of a file is
 * that of its last use.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { removeNow, renameNow, writeNow } from '../files/mod.ts';

/** Smaller ones compile in less time than one notices: JavaScriptCore takes some 14 ms for 1 MiB, V8 3 ms. */
const MIN_BYTES = 512 * 1024;
/** Of all files together, and how many of them. */
export const MAX_STORED_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 8;

/** In the working directory of module processes, which has nothing else. */
export const STORE_FOLDER = 'modules';

export interface StoredModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pages: number;
}

interface StoredFile {
  readonly path: string;
  readonly pages: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly used: number;
}

/** What a module is known by. */
export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All that goes wrong with the files is only a module that is compiled when it is asked for. */
export class ModuleStore {
  readonly #folder: string;

  /** @param folder where none exists nothing is kept */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Notes that a module is used. `hash` is its {@link contentHash}. */
  use(hash: string, pages: number, bytes: Uint8Array): void {
    if (bytes.length < MIN_BYTES || bytes.length > MAX_STORED_BYTES) return;
    const name = `${hash}-${pages}.wasm`;
    const path = join(this.#folder, name);
    const now = Date.now() / 1000;
    try {
      utimesSync(path, now, now);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
    }
    const draft = `${path}.${process.pid}`;
    try {
      writeNow(draft, bytes, 0o600);
      renameNow(draft, name);
      this.#prune();
    } catch {
      attempt(() => removeNow(draft));
    }
  }

  /** Last used first; each is read when it is asked for. */
  *recent(): Generator<StoredModule> {
    for (const { path, pages } of this.#files()) {
      const bytes = attempt(() => readFileSync(path));
      if (bytes) yield { bytes, pages };
    }
  }

  #prune(): void {
    let bytes = 0;
    this.#files().forEach(({ path, size }, index) => {
      bytes += size;
      if (index >= MAX_FILES || bytes > MAX_STORED_BYTES) removeNow(path);
    });
  }

  #files(): StoredFile[] {
    const files: StoredFile[] = [];
    for (const name of attempt(() => readdirSync(this.#folder)) ?? []) {
      const limit = /^[0-9a-f]{64}-(\d+)\.wasm$/.exec(name)?.[1];
      const path = join(this.#folder, name);
      const stat = limit === undefined ? null : attempt(() => statSync(path));
      if (stat) files.push({ path, pages: Number(limit), size: stat.size, used: stat.mtimeMs });
    }
    return files.sort((a, b) => b.used - a.used);
  }
}

/** Null when another process was first to remove it, or there is no such folder. */
function attempt<T>(step: () => T): T | null {
  try {
    return step();
  } catch {
    return null;
  }
}
