/**
 * The old layout of WebAssembly tasks: modules given as whole input sources inside the engine's parameters (job-spec.md
 * 3.2). They move to the task's `InputSources`; entry point and parameters stay, everything else is dropped.
 */
import { inputSourceCodec } from '../model/mod.ts';
import type { InputSource, Job, Problem, SpecConfig, Task } from '../model/mod.ts';
import { problemAt } from './problem.ts';

const ENTRY_TARGET = '/wasm/entry.wasm';
const importTarget = (index: number) => `/wasm/imports/module_${index}.wasm`;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** A parameter by name, in any letter case, as engines read them. */
function parameter(params: SpecConfig['Params'], name: string): unknown {
  const lower = name.toLowerCase();
  return Object.entries(params ?? {}).findLast(([key]) => key.toLowerCase() === lower)?.[1];
}

function isLegacy(task: Task): boolean {
  if (task.Engine?.Type.trim().toLowerCase() !== 'wasm') return false;
  const imports = parameter(task.Engine.Params, 'ImportModules');
  return isObject(parameter(task.Engine.Params, 'EntryModule')) ||
    (Array.isArray(imports) && imports.some(isObject));
}

/** The job in today's layout; the same job where it has it already. */
export function convertLegacyWasm(job: Job): { readonly job: Job; readonly problems: readonly Problem[] } {
  if (!job.Tasks.some(isLegacy)) return { job, problems: [] };
  const problems: Problem[] = [];
  const tasks = job.Tasks.map((task, index) => {
    if (!isLegacy(task)) return task;
    const { Params } = task.Engine!;
    const moved: InputSource[] = [];
    /** The path at which the module will be; sources are moved there, paths stay. */
    const place = (module: unknown, otherwise: string, keys: (string | number)[]): unknown => {
      if (!isObject(module)) return module;
      const { value, problems: found } = inputSourceCodec.inspect(module);
      const at = ['Tasks', index, 'Engine', 'Params', ...keys];
      problems.push(...found.map((each) => problemAt([...at, ...each.keys], each.message)));
      const target = value.Target.trim() || otherwise;
      moved.push({ ...value, Target: target });
      return target;
    };
    const entry = place(parameter(Params, 'EntryModule'), ENTRY_TARGET, ['EntryModule']);
    const listed = parameter(Params, 'ImportModules');
    const imports = (Array.isArray(listed) ? listed : [])
      .map((module, at) => place(module, importTarget(at), ['ImportModules', at]));
    const kept = { Entrypoint: parameter(Params, 'Entrypoint'), Parameters: parameter(Params, 'Parameters') };
    return {
      ...task,
      Engine: {
        Type: task.Engine!.Type,
        Params: {
          ...(entry === undefined ? {} : { EntryModule: entry }),
          ...(kept.Entrypoint === undefined ? {} : { Entrypoint: kept.Entrypoint }),
          ...(imports.length === 0 ? {} : { ImportModules: imports }),
          ...(kept.Parameters === undefined ? {} : { Parameters: kept.Parameters }),
        },
      },
      InputSources: [...(task.InputSources ?? []), ...moved],
    };
  });
  return { job: { ...job, Tasks: tasks }, problems };
}
