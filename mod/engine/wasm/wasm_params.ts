/** Engine parameters of a WebAssembly task (job-spec.md 3.2): read, with every fault named by its path. */
import type { Refusal, SpecConfig } from '../../model/mod.ts';

export interface WasmParams {
  /** Path inside the task: a file, or a directory with exactly one `*.wasm`. */
  readonly entryModule: string;
  /** Exported function without parameters. */
  readonly entryPoint: string;
  /** Arguments after the empty program name. */
  readonly parameters: readonly string[];
  /** Paths of modules that are instantiated before the entry module. */
  readonly importModules: readonly string[];
  /** Whether the module sees the node's own variables (`BACALHAU_…`) beside those of its task. */
  readonly systemEnvironment: boolean;
}

/** Where the spec names none; what compilers call the start of a command. */
const DEFAULT_ENTRY_POINT = '_start';

/** Reads the parameters; keys are compared ignoring case. A {@link Refusal} names the field that is wrong. */
export function parseWasmParams(engine: SpecConfig | null): WasmParams | Refusal {
  const given = new Map(
    Object.entries(engine?.Params ?? {}).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const entryModule = given.get('entrymodule');
  if (typeof entryModule !== 'string' || entryModule.trim() === '') {
    return refusal(
      'EntryModule',
      entryModule === undefined || entryModule === '' ? 'is missing' : 'is not a path',
      'Name the module by its path inside the task, normally the Target of an input source',
    );
  }
  const entryPoint = given.get('entrypoint') ?? '';
  if (typeof entryPoint !== 'string') {
    return refusal('EntryPoint', 'is not a text', 'Name an exported function, or leave it out for "_start"');
  }
  const parameters = given.get('parameters') ?? [];
  if (!isTexts(parameters)) {
    return refusal('Parameters', 'is not a list of texts', 'Write each argument as one text: ["-n", "5"]');
  }
  if (parameters.some((each) => each.includes('\0'))) {
    return refusal('Parameters', 'contains a zero byte', 'Arguments are texts that end at a zero byte');
  }
  const importModules = given.get('importmodules') ?? [];
  if (!isTexts(importModules) || importModules.includes('')) {
    return refusal('ImportModules', 'is not a list of paths', 'Write each module as a path inside the task');
  }
  const systemEnvironment = given.get('systemenvironment') ?? true;
  if (typeof systemEnvironment !== 'boolean') {
    return refusal('SystemEnvironment', 'is neither true nor false', 'Leave it out, or write false');
  }
  return Object.freeze({
    entryModule,
    entryPoint: entryPoint || DEFAULT_ENTRY_POINT,
    parameters,
    importModules,
    systemEnvironment,
  });
}

export function isRefusal(value: WasmParams | Refusal): value is Refusal {
  return 'reason' in value;
}

function refusal(field: string, why: string, hint: string): Refusal {
  return Object.freeze({
    code: 'ValidationError',
    reason: `this node does not run the task: Engine.Params.${field} ${why}`,
    hint,
    retryable: false,
  });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
