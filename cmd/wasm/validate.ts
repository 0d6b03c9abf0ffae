/** `bacalhau wasm validate FILE`: whether a module could run here, and what it needs, in words, without a server. */
import { readFile } from 'node:fs/promises';
import { BacalhauError } from '../../mod/model/mod.ts';
import { inspectModule, type ModuleInspection, WASI_FUNCTION_NAMES } from '../../runtime/wasi/mod.ts';
import { defineCommand } from '../command.ts';

interface Options {
  readonly entryPoint: string;
}

const WASI = 'wasi_snapshot_preview1';
const HTTP = { module: 'wasi:http/requests', name: 'http_request' };

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<file>', 'a module in the binary format (.wasm)')
      .option('--entry-point <function>', 'exported function that is to be called', '_start');
  },
  run: async ([file], { entryPoint }, context) => {
    const module = await inspect(file!);
    const faults = [...entryFaults(module, entryPoint), ...importFaults(module)];
    context.print(describe(module));
    if (faults.length === 0) return context.print('OK\n');
    throw new BacalhauError('ValidationError', `Cannot run module "${file}": ${faults.join('; ')}`, {
      hint: faults.some((fault) => fault.startsWith('it exports'))
        ? 'Name the function with --entry-point, and later in Entrypoint of the task.'
        : 'Build it for WASI preview 1 (wasm32-wasip1).',
    });
  },
});

/** @throws BacalhauError when the file is absent or no module, also one that its own parser of the runtime refuses */
async function inspect(file: string): Promise<ModuleInspection> {
  try {
    const bytes = await readFile(file);
    const inspection = inspectModule(bytes);
    await WebAssembly.compile(bytes);
    return inspection;
  } catch (cause) {
    throw new BacalhauError('ValidationError', `Cannot use module "${file}": ${(cause as Error).message}`, {
      hint: 'Give the path of a core module that a compiler made, such as main.wasm.',
      cause,
    });
  }
}

function entryFaults({ exports }: ModuleInspection, name: string): string[] {
  const functions = exports.filter(({ kind }) => kind === 'function');
  const entry = functions.find((each) => each.name === name);
  if (!entry) {
    const others = functions.map((each) => `"${each.name}"`).join(', ') || 'no function at all';
    return [`it exports no function "${name}" (but ${others})`];
  }
  const parameters = entry.signature?.parameters ?? [];
  return parameters.length === 0
    ? []
    : [`its entry point "${name}" takes parameters (${parameters.join(', ')}), and nobody passes any`];
}

function importFaults({ imports }: ModuleInspection): string[] {
  const provided = new Map<string, readonly string[]>([[WASI, WASI_FUNCTION_NAMES], [HTTP.module, [
    HTTP.name,
  ]]]);
  return imports.filter(({ module, name, kind }) => {
    const names = provided.get(module);
    return names !== undefined && !(kind === 'function' && names.includes(name));
  }).map(({ name, kind, module }) =>
    `nobody provides the ${kind} "${name}" that it imports from "${module}"`
  );
}

function describe({ imports, exports, memories }: ModuleInspection): string {
  const wasi = imports.filter(({ module }) => module === WASI);
  const http = imports.some(({ module, name }) => module === HTTP.module && name === HTTP.name);
  const rest = imports.filter(({ module }) => module !== WASI && module !== HTTP.module);
  const lines = [
    `WASI preview 1: ${wasi.length === 0 ? 'not used' : count(wasi.length, 'function')}`,
    ...(http ? ['HTTP: sends requests, so the task needs a network other than None'] : []),
    ...[...Map.groupBy(rest, ({ module }) => module)].map(([module, wanted]) =>
      `Import: ${wanted.map(({ name, kind }) => `${kind} "${name}"`).join(', ')} from "${module}"` +
      ` (give that module in ImportModules, or as a file of the task at this path)`
    ),
    `Exports: ${exports.map(({ name, kind }) => `${kind} "${name}"`).join(', ') || 'none'}`,
    ...memories.map(({ minimum, maximum, imported }) =>
      `Memory: ${size(minimum)} at the start, ` +
      `${maximum === null ? 'may grow as far as the job lets it' : `at most ${size(maximum)}`}` +
      `${imported ? ' (imported)' : ''}`
    ),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function size(bytes: number): string {
  const mib = bytes / 1024 ** 2;
  return mib >= 1024 ? `${mib / 1024} GiB` : `${Math.round(mib * 100) / 100} MiB`;
}
