/**
 * Turns the modules of a run into instances. An import is satisfied by WASI, by a module of the run (under its path as
 * given, or its file name without `.wasm`), or by the file in the task that the import's module name is the path of.
 */
import type { Channel } from './channel.ts';
import { Descriptors } from './descriptors.ts';
import type { RunFrame } from './frames.ts';
import type { Host } from './host.ts';
import { HTTP_MODULE, httpImports } from './http.ts';
import { GuestMemory } from './memory.ts';
import { type Compiled, type ModuleCache, RunFailure } from './module_cache.ts';
import type { Tree } from './tree.ts';
import { WASI_MODULE, wasiImports } from './wasi.ts';

export interface LinkContext {
  readonly frame: RunFrame;
  readonly tree: Tree;
  readonly descriptors: Descriptors;
  readonly cache: ModuleCache;
  /** To the node, for what only it can do. */
  readonly channel: Channel;
  /** Filled with all memories of the run. */
  readonly memories: Set<WebAssembly.Memory>;
}

/** Instantiates the entry module and all that it imports. @throws RunFailure */
export function link(context: LinkContext): WebAssembly.Instance {
  const { frame } = context;
  const linker = new Linker(context);
  for (const path of frame.importModules) linker.library(path);
  return linker.instantiate(frame.entryModule);
}

/** What we provide under one module name. */
type GivenModule = Readonly<Record<string, (...args: never[]) => number>>;

class Linker {
  readonly #context: LinkContext;
  readonly #libraries = new Map<string, WebAssembly.Instance>();
  /** Modules being linked, to see a circle. */
  readonly #linking: string[] = [];
  readonly #env: readonly string[];

  constructor(context: LinkContext) {
    this.#context = context;
    this.#env = Object.keys(context.frame.env).sort().map((name) => `${name}=${context.frame.env[name]}`);
  }

  /** A module that others import from; a reactor's `_initialize` has run. */
  library(path: string): WebAssembly.Instance {
    const name = plainName(path);
    let instance = this.#libraries.get(name);
    if (!instance) {
      instance = this.instantiate(path);
      const { _initialize } = instance.exports;
      if (typeof _initialize === 'function') _initialize();
      this.#libraries.set(name, instance);
      const short = name.slice(name.lastIndexOf('/') + 1).replace(/\.wasm$/, '');
      if (!this.#libraries.has(short)) this.#libraries.set(short, instance);
    }
    return instance;
  }

  instantiate(path: string): WebAssembly.Instance {
    if (this.#linking.includes(path)) {
      const circle = [...this.#linking, path].map((each) => `"${each}"`).join(' → ');
      throw new RunFailure(
        'LinkError',
        `Cannot link module "${path}": it imports itself (${circle})`,
        'Break the circle',
      );
    }
    this.#linking.push(path);
    const { cache, tree, descriptors, frame } = this.#context;
    const compiled = cache.load(tree, path, frame.memoryLimit);
    const memory = new GuestMemory();
    const host: Host = { memory, descriptors, tree, args: ['', ...frame.args], env: this.#env };
    const imports = this.#imports(path, compiled, host);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(compiled.module, imports);
    } catch (error) {
      if (!(error instanceof WebAssembly.LinkError)) throw error;
      throw new RunFailure(
        'LinkError',
        `Cannot link module "${path}": ${error.message}`,
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
        (memory && new WebAssembly.Memory({ initial: memory.minimum, maximum: memory.maximum }));
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
    this.#context.memories.add(value);
  }

  /** @param optional whether we can do without: a memory is made when nobody gives one */
  #exported(
    path: string,
    module: string,
    name: string,
    optional: boolean,
  ): WebAssembly.ExportValue | undefined {
    const known = this.#libraries.get(plainName(module));
    if (known) return known.exports[name];
    try {
      return this.library(module).exports[name];
    } catch (error) {
      if (
        !(error instanceof RunFailure) || error.end.kind !== 'failed' || error.end.code !== 'ModuleNotFound'
      ) throw error;
      this.#linking.length = this.#linking.indexOf(path) + 1;
      if (optional) return undefined;
      throw new RunFailure(
        'LinkError',
        `Cannot link module "${path}": nothing provides "${name}" that it imports from "${module}"`,
        'Give the providing module in ImportModules, or build the module for WASI preview 1 (wasm32-wasi)',
        { cause: error },
      );
    }
  }
}

/** Leading slashes do not matter. */
function plainName(path: string): string {
  return path.replace(/^\/+/, '');
}
