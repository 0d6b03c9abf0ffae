/**
 * Why a node cannot take a job: an ordered list of small functions. Each answers null or a refusal that names what is
 * missing, phrased as the node would say it. A refusal that waiting can cure is `retryable`; one that is not bars the
 * node for good, and a job that every known node bars for good fails at once instead of waiting.
 */
import {
  type Amount,
  AMOUNTS,
  amountText,
  exceeding,
  type NodeInfo,
  type Refusal,
  type Resources,
} from '../../model/mod.ts';
import type { NodeView } from '../types.ts';
import { constraintText, holds } from './constraints.ts';
import type { PlacementRequest } from './request.ts';

/** What the filters share besides node and request. */
export interface FilterContext {
  /** Promised resources may reach this multiple of a node's capacity. */
  readonly overCommit: number;
}

export type Filter = (node: NodeView, request: PlacementRequest, context: FilterContext) => Refusal | null;

const never = (code: string, reason: string, hint: string): Refusal => ({
  code,
  reason,
  hint,
  retryable: false,
});
const notNow = (code: string, reason: string, hint: string): Refusal => ({
  code,
  reason,
  hint,
  retryable: true,
});

interface NodeFacts {
  readonly engines: ReadonlySet<string>;
  readonly publishers: ReadonlySet<string>;
  readonly sources: ReadonlySet<string>;
  readonly version: Refusal | null;
}
const factsOf = new WeakMap<NodeInfo, NodeFacts>();

/** Names in lower case; remembered per info object, since infos are frozen and live as long as a node's session. */
function facts(info: NodeInfo): NodeFacts {
  let known = factsOf.get(info);
  if (!known) {
    const lower = (names: readonly string[] | null) => new Set(names?.map((name) => name.toLowerCase()));
    const compute = info.ComputeNodeInfo;
    known = {
      engines: lower(compute.ExecutionEngines),
      publishers: lower(compute.Publishers),
      sources: lower(compute.StorageSources),
      version: versionRefusal(info),
    };
    factsOf.set(info, known);
  }
  return known;
}

const membership: Filter = (node) => {
  if (node.membership === 'APPROVED') return null;
  return node.membership === 'REJECTED'
    ? never(
      'NodeRejected',
      'this node was rejected by an operator',
      'approve it with `bacalhau node approve`',
    )
    : notNow('NodePending', 'this node waits for approval', 'approve it with `bacalhau node approve`');
};

const session: Filter = (node) =>
  node.session === 'connected'
    ? null
    : notNow('NodeDisconnected', 'this node is not connected', 'start the node, or check its network');

const eligibility: Filter = (node) =>
  node.eligibility === 'eligible' ? null : notNow(
    'NodeNotEligible',
    `this node is ${node.eligibility} and takes no new work`,
    'wait, or make it eligible again',
  );

const engine: Filter = (node, { engine }) =>
  facts(node.info).engines.has(engine.toLowerCase()) ? null : never(
    'EngineMissing',
    `this node does not run "${engine}" jobs`,
    'enable the engine on a node; the log of a node says why it cannot use one',
  );

const publisher: Filter = (node, { publisher }) =>
  publisher === '' || facts(node.info).publishers.has(publisher.toLowerCase()) ? null : never(
    'PublisherMissing',
    `this node does not publish to "${publisher}"`,
    'enable the publisher on a node or choose another one',
  );

const sources: Filter = (node, { sources }) => {
  const missing = sources.filter((source) => !facts(node.info).sources.has(source.toLowerCase()));
  return missing.length === 0 ? null : never(
    'StorageMissing',
    `this node does not read inputs from ${missing.map((source) => `"${source}"`).join(', ')}`,
    'enable the storage source on a node or choose another one',
  );
};

const constraints: Filter = (node, { constraints }) => {
  const broken = constraints.find((constraint) => !holds(constraint, node.info.Labels ?? {}));
  return broken === undefined ? null : never(
    'ConstraintNotMet',
    `this node does not match the constraint "${constraintText(broken)}"`,
    'change the constraint or label a node with it',
  );
};

const text = (key: Amount, { [key]: value = 0 }: Resources) => amountText(key, value);

const jobLimit: Filter = (node, { resources }) => {
  const limit = node.info.ComputeNodeInfo.MaxJobRequirements;
  const over = exceeding(resources, limit);
  return over.length === 0 ? null : never(
    'JobTooLarge',
    `this node does not accept jobs that need so much ${over.join(', ')} ` +
      `(${over.map((key) => `asked ${text(key, resources)}, limit ${text(key, limit)}`).join('; ')})`,
    'ask for less, or add a larger node',
  );
};

/** In thousandths, so that sums of decimals compare exactly. */
const exact = (amount: number) => Math.round(amount * 1000);

/** Whether the request would take more than may be promised. What the job does not ask for does not stand in its way. */
export function lacksRoom(
  { info, promised }: Pick<NodeView, 'info' | 'promised'>,
  { resources }: PlacementRequest,
  { overCommit }: FilterContext,
): boolean {
  const { MaxCapacity: max } = info.ComputeNodeInfo;
  const over = (asked = 0, promised = 0, size = 0) =>
    asked > 0 && exact(asked + promised) > exact(size * overCommit);
  return over(resources.CPU, promised.CPU, max.CPU) || over(resources.Memory, promised.Memory, max.Memory) ||
    over(resources.Disk, promised.Disk, max.Disk) || over(resources.GPU, promised.GPU, max.GPU);
}

const capacity: Filter = ({ info, promised }, request, context) => {
  const lacking = (promised: Resources) =>
    AMOUNTS.filter((key) =>
      lacksRoom(
        { info, promised },
        { ...request, resources: { [key]: request.resources[key] ?? 0 } },
        context,
      )
    ).join(', ');
  if (!lacksRoom({ info, promised }, request, context)) return null;
  const tooLarge = lacking({});
  return tooLarge !== ''
    ? never(
      'NodeTooSmall',
      `this node does not have enough ${tooLarge} for this job`,
      'ask for less, or add a larger node',
    )
    : notNow(
      'NodeFull',
      `this node does not have enough ${lacking(promised)} free`,
      'wait until other work has ended, or add a node',
    );
};

/** The oldest release whose nodes are trusted with work. */
const OLDEST = [1, 0, 4] as const;

function versionRefusal({ SupportedProtocols, BacalhauVersion }: NodeInfo): Refusal | null {
  if (!SupportedProtocols?.includes('ncl/v1')) {
    return never('ProtocolUnknown', 'this node does not speak the protocol "ncl/v1"', 'update the node');
  }
  const parts = /^v?(\d+)\.(\d+)\.(\d+)/.exec(BacalhauVersion.GitVersion)?.slice(1).map(Number);
  // A development build says 0.0.0 or nothing that can be read.
  if (!parts || parts.every((part) => part === 0)) return null;
  const first = parts.findIndex((part, i) => part !== OLDEST[i]);
  return first < 0 || parts[first]! > OLDEST[first]! ? null : never(
    'VersionTooOld',
    `this node runs version ${BacalhauVersion.GitVersion}, older than 1.0.4`,
    'update the node',
  );
}

const version: Filter = (node) => facts(node.info).version;

/** Those that waiting cannot cure come first, so that a node's refusal names its deepest cause. */
export const FILTERS: readonly Filter[] = Object.freeze([
  version,
  engine,
  publisher,
  sources,
  constraints,
  jobLimit,
  membership,
  eligibility,
  session,
  capacity,
]);

/** The first refusal that waiting cannot cure, else the first one at all, else null. */
export function refusalOf(
  node: NodeView,
  request: PlacementRequest,
  context: FilterContext,
): Refusal | null {
  let first: Refusal | null = null;
  for (const filter of FILTERS) {
    const refusal = filter(node, request, context);
    if (refusal && !refusal.retryable) return refusal;
    first ??= refusal;
  }
  return first;
}
