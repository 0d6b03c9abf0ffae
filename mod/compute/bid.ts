/**
 * Whether this node takes an execution. All questions are asked, so that a person sees every reason at once; a source
 * that fails to tell its size is an error of the execution, not a refusal (compute.md section 3). Bids run side by side:
 * a slow input delays only its own.
 */
import {
  addResources,
  BacalhauError,
  EventTopic,
  exceeding,
  maxResources,
  minResources,
  parseResources,
  toRfc3339,
} from '../model/mod.ts';
import type {
  Event,
  Execution,
  InputSource,
  Refusal,
  Resources,
  SpecConfig,
  StringMap,
  Task,
} from '../model/mod.ts';
import { DECISION_LOG } from '../../runtime/egress/mod.ts';
import { checkEnvironment } from './environment.ts';
import { asFailure, RunFailure } from './failure.ts';
import type { Admission } from './options.ts';
import type { HostEnvironment } from './environment.ts';
import type { Ports } from './ports.ts';
import type { AllProviders } from './providers.ts';

export interface BidRules {
  readonly providers: AllProviders;
  readonly environment: HostEnvironment;
  readonly ports: Ports;
  readonly admission: Admission;
  readonly total: Resources;
  readonly defaults: Resources;
}

export type Bid =
  | {
    readonly kind: 'yes';
    readonly resources: Resources; /** See {@link Engine.pin}. */
    readonly pinned: StringMap;
  }
  | { readonly kind: 'no'; readonly refusals: readonly Refusal[] };

/**
 * Ports that the job names are taken for it, whatever the answer: the caller releases them when it is not to run.
 * @throws RunFailure when the execution cannot run anywhere, or a source or the engine cannot be asked
 */
export async function decideBid(execution: Execution, rules: BidRules, signal: AbortSignal): Promise<Bid> {
  const task = execution.Job?.Tasks[0];
  if (!task) return { kind: 'no', refusals: [INCOMPLETE] };
  const answers = await Promise.all(questions(execution, task, rules, signal));
  const refusals = answers.flat().filter((answer) => answer !== null);
  if (refusals.length > 0) return { kind: 'no', refusals };
  const resources = await neededResources(task, rules, signal);
  const over = exceeding(resources, rules.total);
  if (over.length === 0) return { kind: 'yes', resources, pinned: await pin(task, rules, signal) };
  return { kind: 'no', refusals: over.map((amount) => tooLarge(amount, resources, rules.total)) };
}

/** One event for the history: all reasons in one sentence, codes and hints as details. */
export function refusalEvent(refusals: readonly Refusal[], now: bigint): Event {
  // Several become one text: each ends without its full stop.
  const hints = [...new Set(refusals.map(({ hint }) => hint).filter((hint) => hint !== ''))];
  const hint = hints.length > 1 ? hints.map((each) => each.replace(/\.$/, '')).join('; ') : hints[0];
  const [first] = refusals;
  return Object.freeze({
    Message: `rejected bid: ${refusals.map((refusal) => refusal.reason).join('; ')}`,
    Topic: EventTopic.ExecScanning,
    Timestamp: toRfc3339(now),
    Details: Object.freeze({
      ...Object.assign({}, ...refusals.map(({ details }) => details)),
      ErrorCode: `${first?.component ?? 'Bidder'}:${first?.code ?? 'Refused'}`,
      ...(hint === undefined ? {} : { Hint: hint }),
      ...(refusals.every((refusal) => refusal.retryable) ? { Retryable: 'true' } : {}),
    }),
  });
}

type Answer = Refusal | null | readonly Refusal[];

function questions(
  execution: Execution,
  task: Task,
  rules: BidRules,
  signal: AbortSignal,
): (Answer | Promise<Answer>)[] {
  const { providers, admission } = rules;
  const inputs = task.InputSources ?? [];
  return [
    admission.rejectNetworkedJobs && isNetworked(task)
      ? refuse('NetworkedJob', 'this node does not accept jobs that use the network')
      : null,
    admission.rejectStatelessJobs && inputs.length === 0
      ? refuse('StatelessJob', 'this node does not accept jobs without inputs')
      : null,
    admission.diskFull?.() ? DISK_FULL : null,
    askProvider('publisher', wanted(task.Publisher), providers.publishers, (it, spec) => it.check(spec)),
    ...inputs.map((input) =>
      askProvider('input source', input.Source, providers.sources, (it, spec) => it.check(spec))
    ),
    askProvider(
      'engine',
      task.Engine,
      providers.engines,
      (it) => inTime(() => it.check(task, signal), `whether task "${task.Name}" can run here`, signal),
    ),
    rules.ports.claim(execution.ID, task, signal),
    checkEnvironment(task, rules.environment),
    checkOutputNames(task),
    admission.probe ? admission.probe(execution, task) : null,
  ];
}

async function askProvider<P extends { available(): Promise<Refusal | null> }>(
  what: string,
  spec: SpecConfig | null,
  providers: { get(type: string): P | undefined },
  check: (provider: P, spec: SpecConfig) => Promise<Refusal | null>,
): Promise<Refusal | null> {
  if (!spec) return null;
  const provider = providers.get(spec.Type);
  if (!provider) {
    return refuse('NotInstalled', `this node does not have the ${what} "${spec.Type}"`);
  }
  return await provider.available() ?? await check(provider, spec);
}

/** A blank type means none. */
export function wanted(spec: SpecConfig | null): SpecConfig | null {
  return spec && spec.Type.trim() !== '' ? spec : null;
}

function isNetworked(task: Task): boolean {
  const type = task.Network?.Type ?? 'Default';
  return type !== 'None' && type !== 'Default';
}

const RESERVED_NAMES = ['', '.', '..', 'stdout', 'stderr', 'exitCode', DECISION_LOG];

/** Bytes of a file's name on all usual file systems. */
const LONGEST_NAME = 255;

/** A result path's name becomes a folder beside `stdout`; it must stay there. */
function checkOutputNames(task: Task): readonly Refusal[] {
  const bad = (task.ResultPaths ?? []).filter(({ Name }) =>
    RESERVED_NAMES.includes(Name) || /[/\\\0:]/.test(Name) ||
    new TextEncoder().encode(Name).length > LONGEST_NAME
  );
  return bad.map(({ Name }) =>
    refuse(
      'BadResultName',
      `this node does not take "${Name}" as the name of a result path: it has to be a plain file name`,
      `Choose a name without "/", and none of ${RESERVED_NAMES.slice(3).join(', ')}`,
    )
  );
}

/**
 * What it asks for, defaults where it asks for nothing, and beside it the disk that its inputs take and the memory that
 * its engine does. A task that asks for no disk gets a share of the node's: as much of it as of the CPUs.
 */
async function neededResources(task: Task, rules: BidRules, signal: AbortSignal): Promise<Resources> {
  const asked = parse(task);
  const { total, defaults, providers } = rules;
  const CPU = asked.CPU || defaults.CPU || 0;
  const own: Resources = {
    ...asked,
    CPU,
    Memory: asked.Memory || defaults.Memory || 0,
    Disk: asked.Disk || Math.floor((total.Disk ?? 0) * Math.min(1, total.CPU ? CPU / total.CPU : 1)),
  };
  const sizes = await Promise.all((task.InputSources ?? []).map((input) => sizeOf(input, rules, signal)));
  const inputs = sizes.reduce((sum, size) => sum + size, 0);
  const beside = providers.engines.get(task.Engine?.Type ?? '')?.overhead ?? {};
  // Nobody is refused for what he did not ask for.
  const most = maxResources(maxResources(total, asked), { Disk: inputs });
  return minResources(addResources(addResources(own, beside), { Disk: inputs }), most);
}

function parse(task: Task): Resources {
  try {
    return parseResources(task.Resources ?? {});
  } catch (cause) {
    throw new RunFailure({
      topic: EventTopic.ExecScanning,
      class: 'user',
      component: 'Bidder',
      code: 'BadResources',
      message: `Cannot read the resources of task "${task.Name}": ${(cause as Error).message}`,
      cause,
    });
  }
}

async function pin(task: Task, rules: BidRules, signal: AbortSignal): Promise<StringMap> {
  const engine = rules.providers.engines.get(task.Engine?.Type ?? '');
  if (!engine?.pin) return {};
  return await inTime(() => engine.pin!(task, signal), `what task "${task.Name}" is to run`, signal);
}

/** An answer of the engine; one that does not come within the time for bids is told as that. */
async function inTime<T>(answer: () => Promise<T>, what: string, signal: AbortSignal): Promise<T> {
  try {
    return await answer();
  } catch (thrown) {
    if (!signal.aborted) throw asFailure(thrown, EventTopic.ExecScanning);
    const text = `Cannot learn ${what}: its engine did not answer in time`;
    const error = new BacalhauError('EngineTimeout', text, { retryable: true, cause: thrown });
    throw asFailure(error, EventTopic.ExecScanning);
  }
}

async function sizeOf(input: InputSource, rules: BidRules, signal: AbortSignal): Promise<number> {
  const source = input.Source && rules.providers.sources.get(input.Source.Type);
  if (!source) return 0;
  try {
    return await source.size(input.Source!, signal);
  } catch (thrown) {
    if (signal.aborted) {
      const text =
        `Cannot learn the size of the input for "${input.Target}": its source did not answer in time`;
      throw asFailure(new BacalhauError('SourceTimeout', text, { cause: thrown }), EventTopic.ExecScanning);
    }
    throw asFailure(thrown, EventTopic.ExecScanning);
  }
}

function tooLarge(amount: 'CPU' | 'Memory' | 'Disk' | 'GPU', asked: Resources, total: Resources): Refusal {
  return refuse(
    'TooLarge',
    `this node does not have the ${amount} that the job asks for (${asked[amount] ?? 0} of ${
      total[amount] ?? 0
    })`,
    `Ask for less ${amount}, or raise Compute.AllocatedCapacity.${amount} of the node`,
  );
}

function refuse(code: string, reason: string, hint = ''): Refusal {
  return { code, reason, hint, retryable: false };
}

const DISK_FULL: Refusal = Object.freeze({
  code: 'DiskFull',
  reason: 'this node has no room left on its disk',
  hint: 'Free space on the disk of the node that holds its data directory',
  retryable: true,
});

const INCOMPLETE = refuse(
  'BadExecution',
  'this node does not understand the execution: it has no job with a task',
);
