/**
 * Keeps the compiled modules of the last runs: a burst of executions of one module compiles it once per child. The key is
 * the content, since each execution may have its own copy of the file.
 */
import { compile, type Compiled } from './compile.ts';
import { type ModuleFile, moduleFile } from './module_file.ts';
import { contentHash, type ModuleStore } from './module_store.ts';

interface Cached extends Compiled {
  readonly size: number;
}

const MAX_MODULES = 16;
const MAX_BYTES = 64 * 1024 * 1024;

export class ModuleCache {
  /** Oldest use first. */
  readonly #compiled = new Map<string, Cached>();
  readonly #store: ModuleStore;
  /** Since the last {@link ModuleCache.store}. */
  readonly #used: { hash: string; pages: number; bytes: Uint8Array }[] = [];
  #bytes = 0;

  constructor(store: ModuleStore) {
    this.#store = store;
  }

  /** @param pages of memory that the module may come to. @throws RunFailure */
  compile(file: ModuleFile, pages: number): Compiled {
    const hash = contentHash(file.bytes);
    const key = `${hash} ${pages}`;
    const compiled = this.#compiled.get(key) ?? { ...compile(file, pages), size: file.bytes.length };
    this.#used.push({ hash, pages, bytes: file.bytes });
    this.#keep(key, compiled);
    return compiled;
  }

  /** Hands the modules of the last run on to processes that come later; when nobody waits, since they may be large. */
  store(): void {
    for (const { hash, pages, bytes } of this.#used.splice(0)) this.#store.use(hash, pages, bytes);
  }

  /** Compiles modules of earlier runs, one a step. */
  *prepare(): Generator<void> {
    for (const { bytes, pages } of this.#store.recent()) {
      const key = `${contentHash(bytes)} ${pages}`;
      if (!this.#compiled.has(key)) {
        this.#keep(key, { ...compile(moduleFile(key, bytes), pages), size: bytes.length });
      }
      yield;
    }
  }

  #keep(key: string, compiled: Cached): void {
    if (!this.#compiled.delete(key)) this.#bytes += compiled.size;
    this.#compiled.set(key, compiled);
    for (const [oldest, { size }] of this.#compiled) {
      if (oldest === key || (this.#compiled.size <= MAX_MODULES && this.#bytes <= MAX_BYTES)) break;
      this.#compiled.delete(oldest);
      this.#bytes -= size;
    }
  }
}
