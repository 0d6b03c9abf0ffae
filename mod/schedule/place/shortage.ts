/** Too few nodes: what to tell, and whether waiting can help (orchestrator.md 8.5, compatibility.md A3 in basic form). */
import type { Refusal, StringMap } from '../../model/mod.ts';
import { isHopeful, type Want } from './allocate.ts';
import { groupOf } from './candidates.ts';
import type { Fleet } from './fleet.ts';

export interface Shortage {
  readonly message: string;
  readonly details: StringMap;
  /** No known node could ever take it. With no node at all there is still hope: one may join. */
  readonly hopeless: boolean;
}

/** Characters of all reasons, and of one, whatever nodes say; with three bytes each a message is at most 4 KB. */
const MAX_REASONS = 1200;
const MAX_REASON = 300;

interface Reason {
  count: number;
  readonly nodeId: string;
  readonly refusal: Refusal;
}

const LATELY: Refusal = Object.freeze({
  code: 'NodeFailedLately',
  reason: 'this node failed this job a moment ago',
  hint: 'wait, or look at the failed execution',
  retryable: true,
});

/** @param requested executions that found no node */
export function shortage(want: Omit<Want, 'slots'>, fleet: Fleet, requested: number): Shortage {
  const candidates = fleet.candidates(want.request);
  const special = refusalsOfTheJob(want, fleet);
  const reasons = new Map<string, Reason>();
  const add = (key: string, nodeId: string, refusal: Refusal, count: number) => {
    const known = reasons.get(key);
    if (known) known.count += count;
    else reasons.set(key, { count, nodeId, refusal });
  };
  const moved = Map.groupBy([...special.keys()], (id) => {
    const refusal = candidates.refusal(id);
    return refusal ? groupOf(refusal) : '';
  });
  for (const [key, nodes] of candidates.groups()) {
    const count = nodes.size - (moved.get(key)?.length ?? 0);
    if (count === 0) continue;
    const nodeId = nodes.values().find((id) => !special.has(id))!;
    add(key, nodeId, candidates.refusal(nodeId)!, count);
  }
  for (const [id, refusal] of special) add(groupOf(refusal), id, refusal, 1);
  return describe(requested, candidates.fit.size - (moved.get('')?.length ?? 0), fleet, [
    ...reasons.values(),
  ]);
}

/** Why the job keeps away from nodes that would take its like. */
function refusalsOfTheJob({ request, past }: Omit<Want, 'slots'>, fleet: Fleet): Map<string, Refusal> {
  const candidates = fleet.candidates(request);
  const special = new Map<string, Refusal>();
  if (isHopeful(candidates, past)) {
    for (const id of past.failing) if (candidates.fit.has(id)) special.set(id, LATELY);
  }
  for (const [id, refusal] of past.avoided) {
    const deeper = candidates.refusal(id);
    const open = deeper === null || (deeper.retryable && deeper.code !== 'NodePending');
    if (open && fleet.nodes.has(id)) special.set(id, refusal);
  }
  return special;
}

function describe(requested: number, suitable: number, { nodes }: Fleet, reasons: Reason[]): Shortage {
  reasons.sort((a, b) => b.count - a.count || (a.refusal.reason < b.refusal.reason ? -1 : 1));
  let available = 0;
  for (const node of nodes.values()) {
    if (node.membership === 'APPROVED' && node.session === 'connected') available++;
  }
  const told: string[] = nodes.size === 0 ? ['no compute node has joined yet'] : [];
  let room = MAX_REASONS;
  for (const [i, reason] of reasons.entries()) {
    const text = reasonText(reason);
    if ((room -= text.length) < 0) {
      told.push(`and ${reasons.length - i} more reasons`);
      break;
    }
    told.push(text);
  }
  const message = `not enough nodes to run job. requested: ${requested}, available: ${available}, ` +
    `suitable: ${suitable}. ${told.join('; ')}`;
  const hint = reasons.find(({ refusal }) => refusal.hint !== '')?.refusal.hint ?? '';
  const curable = reasons.some(({ refusal }) => refusal.retryable);
  return {
    message,
    details: {
      IsError: 'true',
      ...(curable || nodes.size === 0 ? { Retryable: 'true' } : {}),
      ...(hint ? { Hint: hint } : {}),
      ErrorCode: 'Scheduler:NotEnoughNodes',
      NodesRequested: String(requested),
      NodesAvailable: String(available),
      NodesSuitable: String(suitable),
    },
    hopeless: nodes.size > 0 && suitable <= 0 && !curable,
  };
}

function reasonText({ count, nodeId, refusal }: Reason): string {
  const text = count === 1
    ? `Node ${nodeId}: ${refusal.reason}`
    : `${count} nodes: ${groupOf(refusal).slice(refusal.code.length + 1)}`;
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON)}…` : text;
}
