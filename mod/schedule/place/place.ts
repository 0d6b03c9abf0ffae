/** Third pass: a node for each empty slot. Filters say where it can go, ranks where it should. */
import { addResources, EventTopic, isLive, type Refusal } from '../../model/mod.ts';
import { event } from '../changes.ts';
import type { Draft } from '../draft.ts';
import { type JobKind, nodeSlot, partitionOf } from '../kinds.ts';
import type { NodeRefusal, NodeView } from '../types.ts';
import { avoidance } from './avoid.ts';
import { type FilterContext, refusalOf } from './filters.ts';
import { rankOf } from './ranks.ts';
import { type PlacementRequest, placementRequest } from './request.ts';

export interface EmptySlot {
  readonly slot: string;
  readonly attempt: number;
  readonly previous: string;
}

interface Candidate {
  node: NodeView;
  siblings: number;
  readonly failures: number;
  rank: number;
}

/** Where the current version of a job can go now, and why it cannot go elsewhere. */
export class Placement {
  readonly #candidates = new Map<string, Candidate>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #request: PlacementRequest;
  readonly #context: FilterContext;
  /** Nodes that could take it when nothing had been placed by this plan. */
  readonly suitable: number;
  /** When a node that is avoided may be tried again. */
  readonly avoidedUntil: bigint | null;

  constructor(readonly draft: Draft, nodes: ReadonlyMap<string, NodeView>) {
    const { job, policy, now } = draft.input;
    const mine = [...draft.executions.values()].filter(({ version }) => version === job.spec.Version);
    const avoid = avoidance(mine, nodes, policy, now);
    this.#request = placementRequest(job.spec);
    this.#context = { overCommit: policy.overCommit, avoided: avoid.refusals };
    this.avoidedUntil = avoid.until;
    for (const node of nodes.values()) {
      const refusal = refusalOf(node, this.#request, this.#context);
      if (refusal) {
        this.#refusals.set(node.id, refusal);
        continue;
      }
      const here = mine.filter(({ nodeId }) => nodeId === node.id);
      this.#candidates.set(node.id, {
        node,
        siblings: here.filter(({ phase }) => isLive(phase) || phase === 'completed').length,
        failures: here.filter(({ phase }) => phase === 'failed' || phase === 'lost').length,
        rank: 0,
      });
    }
    this.#leaveFailing(avoid.failing);
    this.suitable = this.#candidates.size;
    for (const candidate of this.#candidates.values()) candidate.rank = this.#rank(candidate);
  }

  /** A node that failed the job lately is left out while another one may take it. */
  #leaveFailing(failing: ReadonlySet<string>): void {
    const hopeful = [...this.#candidates.keys()].some((id) => !failing.has(id)) ||
      [...this.#refusals].some(([id, { code }]) => !failing.has(id) && code === 'NodeFull');
    if (!hopeful) return;
    for (const id of failing) {
      if (!this.#candidates.delete(id)) continue;
      this.#refusals.set(id, {
        code: 'NodeFailedLately',
        reason: 'this node failed this job a moment ago',
        hint: 'wait, or look at the failed execution',
        retryable: true,
      });
    }
  }

  #rank({ node, siblings, failures }: Candidate): number {
    return rankOf(node, this.#request, { siblings, failures, random: this.draft.input.random });
  }

  #best(): Candidate | undefined {
    let best: Candidate | undefined;
    for (const candidate of this.#candidates.values()) {
      if (!best || candidate.rank > best.rank) best = candidate;
    }
    return best;
  }

  /** Ids of nodes that an ops or daemon job has a slot on: those that fit, and those that fit but for lack of room. */
  matching(): string[] {
    const full = [...this.#refusals].filter(([, { code }]) => code === 'NodeFull').map(([id]) => id);
    return [...this.#candidates.keys(), ...full].sort();
  }

  /** Places as many as fit, in order; @returns how many were left out. */
  place(slots: readonly EmptySlot[], kind: JobKind): number {
    const { policy, now } = this.draft.input;
    const limit = Math.min(slots.length, policy.maxPlacements);
    let placed = 0;
    for (const { slot, attempt, previous } of slots.slice(0, limit)) {
      const candidate = kind.perNode ? this.#candidates.get(slot.slice(nodeSlot('').length)) : this.#best();
      if (!candidate) continue;
      const { node } = candidate;
      this.draft.create.push({
        slot,
        partition: partitionOf(slot),
        attempt,
        nodeId: node.id,
        resources: this.#request.resources,
        bidDeadline: now + policy.bidTimeout,
        previous,
        event: event(EventTopic.Scheduling, `Requested execution on ${shortNode(node.id)}`, {
          NodeID: node.id,
        }),
      });
      placed++;
      this.#take(candidate);
    }
    this.draft.again = placed === limit && limit < slots.length && this.#candidates.size > 0;
    return slots.length - placed;
  }

  #take(candidate: Candidate): void {
    const { node } = candidate;
    candidate.node = { ...node, promised: addResources(node.promised, this.#request.resources) };
    candidate.siblings++;
    const refusal = refusalOf(candidate.node, this.#request, this.#context);
    if (refusal) {
      this.#candidates.delete(node.id);
      this.#refusals.set(node.id, refusal);
    } else {
      candidate.rank = this.#rank(candidate);
    }
  }

  refusals(): NodeRefusal[] {
    return [...this.#refusals].map(([nodeId, refusal]) => ({ nodeId, ...refusal }));
  }
}

function shortNode(id: string): string {
  return /^n-[0-9a-f]{8}-/.test(id) ? id.slice(0, 10) : id;
}
