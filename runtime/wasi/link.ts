/**
 * Turns the modules of a run into instances. An import is satisfied by WASI, by a module of the run (under its path as
 * given, or its file name without `.wasm`), or by the file in the task that the import's module name is the path of.
 *
 * The memories of all modules share the limit of the task. What a module imports from comes first and is bounded to half
 * of what is left, should it have a memory of its own and not say how large it may become; the entry module gets the rest.
 */
import type { Channel } from './channel.ts';
import { type Compiled, tooLarge } from './compile.ts';
import { Descriptors } from './descriptors.ts';
import type { RunFrame, WasmEnd } from './frames.ts';
import type { Host } from './host.ts';
import { HTTP_MODULE, httpImports } from './http.ts';
import { GuestMemory } from './memory.ts';
import type { ModuleCache } from './module_cache.ts';
import { type ModuleFile, readModule, RunFailure } from './module_file.ts';
import { type ImportedMemory, MAX_PAGES, PAGE } from './memory_limit.ts';
import type { MemoryUse } from './memory_use.ts';
import { engineText } from './trap_words.ts';
import type { Tree } from './tree.ts';
import { WASI_MODULE, wasiImports } from './wasi.ts';

export interface LinkContext {
  readonly frame: RunFrame;
  readonly tree: Tree;
  readonly descriptors: Descriptors;
  readonly cache: ModuleCache;
  /** To the node, for what only it can do. */
  readonly channel: Channel;
  /** Filled with what the run has of it. */
  readonly memory: MemoryUse;
}

/** Instantiates the entry module and all that it imports. @throws RunFailure */
export function link(context: LinkContext): WebAssembly.Instance {
  const { frame } = context;
  const linker = new Linker(context);
  for (const path of frame.importModules) linker.library(path);
  return linker.instantiate(frame.entryModule, 1);
}

/** Of the memory that is left, for a module that others import from. */
const LIBRARY_SHARE = 0.5;

/** What we provide under one module name. */
type GivenModule = Readonly<Record<string, (...args: never[]) => number>>;

class Linker {
  readonly #context: LinkContext;
  readonly #libraries = new Map<string, WebAssembly.Instance>();
  /** Modules being linked, to see a circle. */
  readonly #linking: string[] = [];
  readonly #env: readonly string[];
  /** Pages of memory that no module has yet. */
  #pages: number;

  constructor(context: LinkContext) {
    this.#context = context;
    this.#pages = Math.min(MAX_PAGES, Math.ceil((context.frame.memoryLimit || Infinity) / PAGE));
    this.#env = Object.keys(context.frame.env).sort().map((name) => `${name}=${context.frame.env[name]}`);
  }

  /** A module that others import from; a reactor's `_initialize` has run. */
  library(path: string): WebAssembly.Instance {
    const name = plainName(path);
    let instance = this.#libraries.get(name);
    if (!instance) {
      instance = this.instantiate(path, LIBRARY_SHARE);
      const { _initialize } = instance.exports;
      if (typeof _initialize === 'function') _initialize();
      this.#libraries.set(name, instance);
      const short = name.slice(name.lastIndexOf('/') + 1).replace(/\.wasm$/, '');
      if (!this.#libraries.has(short)) this.#libraries.set(short, instance);
    }
    return instance;
  }

  /** @param share of the memory that is left which it may have */
  instantiate(path: string, share: number): WebAssembly.Instance {
    if (this.#linking.includes(path)) {
      const circle = [...this.#linking, path].map((each) => `"${each}"`).join(' → ');
      throw new RunFailure(
        'LinkError',
        `Cannot link module "${path}": it imports itself (${circle})`,
        'Break the circle',
      );
    }
    this.#linking.push(path);
    const { cache, tree, descriptors, frame, memory: use } = this.#context;
    const file = readModule(tree, path);
    this.#linkFirst(file);
    const compiled = cache.compile(file, Math.floor(this.#pages * share));
    this.#take(compiled.pages);
    const memory = new GuestMemory();
    const host: Host = { memory, descriptors, tree, args: ['', ...frame.args], env: this.#env };
    const imports = this.#imports(path, compiled, host);
    const begun = use.begin();
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(compiled.module, imports);
      begun(instance, compiled.flagged);
    } catch (error) {
      if (!(error instanceof WebAssembly.LinkError)) throw error;
      throw new RunFailure(
        'LinkError',
        `Cannot link module "${path}": ${engineText(error)}`,
        'The types of imports and exports must agree; build both modules against the same interface',
        { cause: error },
      );
    }
    const exported = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory);
    if (exported) this.#attach(memory, exported);
    this.#linking.pop();
    return instance;
  }

  #imports(path: string, compiled: Compiled, host: Host): WebAssembly.Imports {
    const result: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    const wanted = WebAssembly.Module.imports(compiled.module);
    const given = this.#givenModules(path, host, new Set(wanted.map(({ module }) => module)));
    for (const { module, name, kind } of wanted) {
      const memory = compiled.memories.find((each) => each.module === module && each.name === name);
      const provider = given.get(module);
      const value = provider ? provider[name] : this.#exported(path, module, name, memory !== undefined) ??
        (memory && this.#newMemory(path, memory));
      if (value === undefined) {
        throw new RunFailure(
          'LinkError',
          `Cannot link module "${path}": nothing provides the ${kind} "${name}" that it imports from "${module}"`,
          provider
            ? `"${module}" has no such function`
            : 'Give the providing module in ImportModules, or build the module for WASI preview 1',
        );
      }
      if (value instanceof WebAssembly.Memory) this.#attach(host.memory, value);
      (result[module] ??= {})[name] = value as WebAssembly.ImportValue;
    }
    return result;
  }

  /** Those of the wanted modules that we are. @throws RunFailure for one that this run is not given */
  #givenModules(path: string, host: Host, wanted: ReadonlySet<string>): Map<string, GivenModule> {
    const given = new Map<string, GivenModule>();
    if (wanted.has(WASI_MODULE)) given.set(WASI_MODULE, wasiImports(host));
    if (!wanted.has(HTTP_MODULE)) return given;
    const { frame: { http }, channel } = this.#context;
    if (!http) {
      throw new RunFailure(
        'NetworkRequired',
        `Cannot link module "${path}": it imports "${HTTP_MODULE}", which a task without network is not given`,
        'Set Network.Type of the task to HTTP with the Domains that it may reach, or to Default, Host or Full',
      );
    }
    return given.set(HTTP_MODULE, httpImports(host.memory, channel, http));
  }

  #attach(memory: GuestMemory, value: WebAssembly.Memory): void {
    memory.attach(value);
    this.#context.memory.add(value);
  }

  /** Modules that it imports from; one that is missing is told of when its exports are asked for. */
  #linkFirst({ path, imports }: ModuleFile): void {
    for (const name of new Set(imports?.map(({ module }) => module))) {
      if (name !== WASI_MODULE && name !== HTTP_MODULE) this.#found(path, name);
    }
  }

  #take(pages: number): void {
    this.#pages -= pages;
    this.#context.memory.allow(pages);
  }

  /** A memory that a module wants and nobody has. */
  #newMemory(path: string, { minimum, maximum }: ImportedMemory): WebAssembly.Memory {
    if (minimum > this.#pages) throw tooLarge(path, minimum, this.#pages);
    const bounded = Math.min(maximum ?? MAX_PAGES, this.#pages);
    this.#take(bounded);
    return new WebAssembly.Memory({ initial: minimum, maximum: bounded });
  }

  /** @param optional whether we can do without: a memory is made when nobody gives one */
  #exported(
    path: string,
    module: string,
    name: string,
    optional: boolean,
  ): WebAssembly.ExportValue | undefined {
    const found = this.#found(path, module);
    if (found || optional) return found?.exports[name];
    throw new RunFailure(
      'LinkError',
      `Cannot link module "${path}": nothing provides "${name}" that it imports from "${module}"`,
      'Give the providing module in ImportModules, or build the module for WASI preview 1 (wasm32-wasi)',
    );
  }

  /** The module of this name, for one that imports from it; null where there is none. */
  #found(path: string, name: string): WebAssembly.Instance | null {
    const known = this.#libraries.get(plainName(name));
    if (known) return known;
    try {
      return this.library(name);
    } catch (error) {
      const { end } = error as { end?: WasmEnd };
      if (!(error instanceof RunFailure) || end?.kind !== 'failed' || end.code !== 'ModuleNotFound') {
        throw error;
      }
      this.#linking.length = this.#linking.indexOf(path) + 1;
      return null;
    }
  }
}

/** Leading slashes do not matter. */
function plainName(path: string): string {
  return path.replace(/^\/+/, '');
}
