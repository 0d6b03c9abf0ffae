/** Rules for one task (job-spec.md 1.9, in the order given there). All problems are found, not only the first. */
import { AMOUNT_LIMITS, amountText, parseBytes, parseCpu, parseGpu } from '../model/mod.ts';
import type { Problem, ResourcesConfig, SpecConfig, Task } from '../model/mod.ts';
import { problemAt } from './problem.ts';
import type { Keys } from './problem.ts';
import { dockerComplaints } from './validate_docker.ts';
import { envComplaint } from './validate_env.ts';
import { networkProblems } from './validate_network.ts';

const blank = (text: string) => text.trim() === '';

/** Problems of the task at `at`; each message begins with the task's name. */
export function taskProblems(task: Task, at: Keys): Problem[] {
  const found: Problem[] = [];
  const add = (keys: Keys, message: string) => {
    found.push(problemAt([...at, ...keys], `task ${task.Name || '(without a name)'}: ${message}`));
  };
  if (blank(task.Name)) add(['Name'], 'missing task name');
  else if (/\p{Cc}/u.test(task.Name)) add(['Name'], 'the name has control characters');

  const engineType = task.Engine?.Type.trim().toLowerCase();
  for (const [name, value] of Object.entries(task.Env ?? {})) {
    const complaint = envComplaint(name, value, engineType === 'wasm');
    if (complaint) add(['Env', name], complaint);
  }

  const engine = specConfigComplaint(task.Engine);
  if (engine) add(['Engine'], `invalid engine: ${engine}`);
  else if (engineType === 'docker') {
    for (const [key, message] of dockerComplaints(task.Engine!.Params ?? {})) {
      add(['Engine', 'Params', key], `invalid docker engine: ${key}: ${message}`);
    }
  }
  const { Publisher } = task;
  if (Publisher && blank(Publisher.Type) && Object.keys(Publisher.Params ?? {}).length > 0) {
    add(['Publisher', 'Type'], 'invalid publisher: it has parameters but no type');
  }

  for (const [key, message] of resourceComplaints(task.Resources ?? {})) {
    add(['Resources', key], `invalid resources: ${message}`);
  }
  addInputProblems(task, add);
  addResultProblems(task, add);
  if (task.Network) {
    for (const { keys, message } of networkProblems(task.Network, ['Network'])) {
      add(keys, `invalid network: ${message}`);
    }
  }
  return found;
}

type Add = (keys: Keys, message: string) => void;

function specConfigComplaint(config: SpecConfig | null): string | undefined {
  if (config === null) return 'it is missing';
  return blank(config.Type) ? 'missing spec type' : undefined;
}

function resourceComplaints(resources: ResourcesConfig): [keyof ResourcesConfig, string][] {
  const found: [keyof ResourcesConfig, string][] = [];
  for (
    const [key, name, parse] of [
      ['CPU', 'CPU', parseCpu],
      ['Memory', 'memory', parseBytes],
      ['Disk', 'disk', parseBytes],
      ['GPU', 'GPU', parseGpu],
    ] as const
  ) {
    const text = resources[key];
    if (!text) continue;
    try {
      const value = parse(text);
      if (value < 0) found.push([key, `${name} "${text}" is negative`]);
      else if (value > AMOUNT_LIMITS[key]) {
        found.push([key, `${name} "${text}" is too much: at most ${amountText(key, AMOUNT_LIMITS[key])}`]);
      }
    } catch (error) {
      found.push([key, `${name}: ${(error as RangeError).message}`]);
    }
  }
  return found;
}

function addInputProblems({ InputSources = [] }: Task, add: Add): void {
  InputSources.forEach(({ Source, Target }, index) => {
    const at = ['InputSources', index];
    if (blank(Target)) add([...at, 'Target'], 'invalid input sources: missing target');
    const complaint = specConfigComplaint(Source);
    if (complaint) add([...at, 'Source'], `invalid input sources: source: ${complaint}`);
  });
  addDuplicates(InputSources, 'InputSources', ['Alias', 'Target'], 'input source', add);
}

function addResultProblems({ ResultPaths = [] }: Task, add: Add): void {
  ResultPaths.forEach(({ Name, Path }, index) => {
    const at = ['ResultPaths', index];
    if (blank(Path)) add([...at, 'Path'], 'invalid output: missing path');
    else if (!Path.trim().startsWith('/')) {
      add([...at, 'Path'], `invalid output: path "${Path}" must be absolute`);
    }
    if (blank(Name)) add([...at, 'Name'], 'invalid output: missing name');
  });
  addDuplicates(ResultPaths, 'ResultPaths', ['Name', 'Path'], 'result path', add);
}

function addDuplicates<T, K extends string & keyof T>(
  entries: readonly T[],
  list: string,
  keys: readonly K[],
  what: string,
  add: Add,
): void {
  for (const key of keys) {
    const seen = new Set<string>();
    entries.forEach((entry, index) => {
      const value = String(entry[key]).trim();
      if (value !== '' && seen.has(value)) {
        add([list, index, key], `${what} with ${key.toLowerCase()} '${value}' already exists`);
      }
      seen.add(value);
    });
  }
}
