/** Flags that make up a one-task job (cli.md 9.1 and 9.2), for `docker run` and `wasm run`. */
import {
  BacalhauError,
  type InputSource,
  type Job,
  NETWORK_TYPES,
  type NetworkType,
  type PortMapping,
  type SpecConfig,
  type StringMap,
  type Task,
  type TimeoutConfig,
} from '../mod/model/mod.ts';
import {
  labelKeyComplaint,
  labelValueComplaint,
  normaliseResources,
  parseConstraints,
  parseInput,
  parseOutput,
  parsePublisher,
  specError,
  splitList,
  validateSubmission,
} from '../mod/spec/mod.ts';
import type { Command } from './command.ts';
import type { Context } from './context.ts';
import { withFlagName } from './spec_flag_names.ts';

export interface SpecFlags {
  readonly name?: string;
  readonly namespace: string;
  readonly priority: number;
  readonly count: number;
  readonly concurrency?: number;
  readonly target: 'any' | 'all';
  readonly constraints?: string;
  readonly selector?: string;
  readonly labels: readonly string[];
  readonly taskName: string;
  readonly env: readonly string[];
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly publisher?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly disk?: string;
  readonly gpu?: string;
  readonly network: NetworkType;
  readonly domain: readonly string[];
  readonly timeout?: number;
  readonly queueTimeout?: number;
}

export function addSpecFlags(command: Command): void {
  command.option('--name <name>', 'name of the job; an existing one is updated')
    .option('--namespace <name>', 'namespace of the job', 'default')
    .count('--priority <number>', 'higher runs first', 0, -(2 ** 31))
    .count('--count <number>', 'how many executions', 1)
    .count('--concurrency <number>', 'old name of --count')
    .choice('--target <nodes>', 'nodes to run on', ['any', 'all'], 'any')
    .option('--constraints <selector>', 'only nodes whose labels match')
    .option('-s, --selector <selector>', 'old name of --constraints')
    .repeatable('-l, --labels <key=value>', 'labels of the job')
    .option('--task-name <name>', 'name of the task', 'main')
    .repeatable('-e, --env <KEY=value>', 'environment of the program')
    .repeatable('-i, --input <source>', 'input, such as file:///data:/inputs')
    .repeatable('-o, --output <name:path>', 'result folder')
    .option('-p, --publisher <publisher>', 'where results go, such as local or s3://bucket/key')
    .option('--cpu <amount>', 'cores, such as 500m')
    .option('--memory <amount>', 'such as 512Mb')
    .option('--disk <amount>', 'such as 2Gb')
    .option('--gpu <number>', 'GPUs')
    .choice('--network <type>', 'network of the program', NETWORK_TYPES, 'Default', true)
    .repeatable('--domain <name>', 'domain that the program may reach with network HTTP')
    .count('--timeout <seconds>', 'for the job as a whole')
    .count('--queue-timeout <seconds>', 'to wait for nodes; 0 = fail at once')
    .hide('--concurrency', '--selector');
}

/** Old names work as before; they are mentioned where they do not mix with the answer. */
export function warnOldFlags(context: Context, flags: SpecFlags): void {
  const used = [['concurrency', 'count'], ['selector', 'constraints']] as const;
  for (const [old, name] of used) {
    if (flags[old] === undefined) continue;
    context.complain(`Flag --${old} has been deprecated, use --${name}\n`);
  }
}

/** The job with its engine. @throws BacalhauError that names the flag or field */
export function buildJob(
  flags: SpecFlags,
  task: {
    readonly engine: SpecConfig;
    readonly inputs?: readonly InputSource[];
    readonly ports?: readonly PortMapping[];
  },
): Job {
  const inputs = [...flags.input.map((text) => parseInput(text)), ...(task.inputs ?? [])];
  const outputs = flags.output.map(parseOutput);
  const env = Object.fromEntries(flags.env.flatMap(environment));
  const timeouts: TimeoutConfig = {
    ...(flags.timeout ? { TotalTimeout: flags.timeout } : {}),
    ...(flags.queueTimeout === undefined ? {} : { QueueTimeout: flags.queueTimeout }),
  };
  const job: Job = {
    ID: '',
    Name: flags.name ?? '',
    Namespace: flags.namespace,
    Type: flags.target === 'all' ? 'ops' : 'batch',
    Priority: flags.priority,
    Count: one('--count', flags.concurrency, '--concurrency', flags.count === 1 ? undefined : flags.count) ??
      1,
    Constraints: parseConstraints(
      one('--constraints', flags.constraints, '--selector', flags.selector) ?? '',
    ),
    Meta: {},
    Labels: labels(flags.labels),
    Tasks: [{
      Name: flags.taskName,
      Engine: task.engine,
      Publisher: flags.publisher ? parsePublisher(flags.publisher) : null,
      ...(Object.keys(env).length > 0 ? { Env: env } : {}),
      ...(inputs.length > 0 ? { InputSources: inputs } : {}),
      ...(outputs.length > 0 ? { ResultPaths: outputs } : {}),
      Resources: normaliseResources({
        ...(flags.cpu ? { CPU: flags.cpu } : {}),
        ...(flags.memory ? { Memory: flags.memory } : {}),
        ...(flags.disk ? { Disk: flags.disk } : {}),
        ...(flags.gpu ? { GPU: flags.gpu } : {}),
      }),
      ...networkOf(flags, task.ports ?? []),
      Timeouts: timeouts,
    }],
    State: { StateType: 'Undefined' },
    Version: 0,
    Revision: 0n,
    CreateTime: 0n,
    ModifyTime: 0n,
  };
  const problems = validateSubmission(job);
  if (problems.length > 0) throw specError('this job', problems.map(withFlagName));
  return job;
}

/** Nothing for the default network; published ports need one that has them, which is then Bridge. */
function networkOf(flags: SpecFlags, ports: readonly PortMapping[]): Pick<Task, 'Network'> {
  const Type = flags.network === 'Default' && ports.length > 0 ? 'Bridge' : flags.network;
  if (Type === 'Default') return {};
  return {
    Network: {
      Type,
      ...(flags.domain.length > 0 ? { Domains: flags.domain } : {}),
      ...(ports.length > 0 ? { Ports: ports } : {}),
    },
  };
}

/** Two names of one flag. */
function one<T>(name: string, value: T | undefined, other: string, otherValue: T | undefined): T | undefined {
  if (value !== undefined && otherValue !== undefined) {
    throw new BacalhauError(
      'BadRequest',
      `Cannot use ${name} together with ${other}: they are names of the same flag`,
    );
  }
  return value ?? otherValue;
}

/** The variables of one `--env`: a single one, or several between commas, with quotes around what has commas itself. */
function environment(text: string): readonly (readonly [string, string])[] {
  return quotedPairs(text).map((pair) => {
    const at = pair.indexOf('=');
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
    throw new BacalhauError(
      'BadRequest',
      `Cannot use environment variable "${pair}" (--env): it is not of the form KEY=value`,
      { hint: 'Write -e KEY=value, or -e KEY=env:NAME for the variable NAME of the node.' },
    );
  });
}

function quotedPairs(text: string): readonly string[] {
  if (text.includes('"')) {
    try {
      const fields = splitList(text);
      if (fields.every((field) => field.includes('='))) return fields;
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      // Quotes inside a value, such as JSON, are its own.
    }
  }
  // A comma separates pairs only where a whole pair follows, so that values may have commas.
  return text.split(/,(?=[^,=]+=)/);
}

/** The parts of a flag that takes a list. @throws BacalhauError that names the flag */
export function listOf(flag: string, text: string): readonly string[] {
  try {
    return splitList(text);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new BacalhauError('BadRequest', `Cannot read ${flag} "${text}": ${thrown.message}`, {
      hint: 'Commas separate parts; a part with a comma or quote stands in quotes, quotes inside doubled.',
      cause: thrown,
    });
  }
}

function labels(texts: readonly string[]): StringMap {
  const found: Record<string, string> = {};
  for (const pair of texts.flatMap((text) => listOf('--labels', text))) {
    const [, key = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair)!;
    const complaint = labelKeyComplaint(key) ?? labelValueComplaint(value);
    if (complaint) {
      throw new BacalhauError('BadRequest', `Cannot use label "${pair}" (--labels): ${complaint}`, {
        hint: 'Write -l key=value or -l key, with commas between several.',
      });
    }
    found[key] = value;
  }
  return found;
}
