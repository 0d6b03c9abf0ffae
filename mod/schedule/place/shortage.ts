/** Too few nodes: what to tell, and whether waiting can help (orchestrator.md 8.5, compatibility.md A3 in basic form). */
import type { Refusal, StringMap } from '../../model/mod.ts';
import type { Want } from './request.ts';
import { commonReason, groupKey } from './candidates.ts';
import { isHopeful } from './chooser.ts';
import { refusalOf } from './filters.ts';
import type { Fleet } from './fleet.ts';

/** Why there is no room. */
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
  /** One of the nodes. */
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
  let suitable = candidates.fit.size;
  for (const id of special.keys()) if (candidates.fits(id)) suitable--;
  for (const { refusal, nodes } of candidates.groups) {
    let count = nodes.size;
    for (const id of special.keys()) if (nodes.has(id)) count--;
    if (count === 0) continue;
    const nodeId = [...nodes].find((id) => !special.has(id))!;
    const own = count === 1 ? refusalOf(fleet.nodes.get(nodeId)!, want.request, fleet)! : refusal;
    reasons.set(groupKey(refusal), { count, nodeId, refusal: own });
  }
  for (const [nodeId, refusal] of special) {
    const known = reasons.get(groupKey(refusal));
    if (known) known.count++;
    else reasons.set(groupKey(refusal), { count: 1, nodeId, refusal });
  }
  return describe(requested, suitable, fleet, [...reasons.values()]);
}

/** Why the job keeps away from nodes that would take its like. */
function refusalsOfTheJob({ request, past }: Omit<Want, 'slots'>, fleet: Fleet): Map<string, Refusal> {
  const candidates = fleet.candidates(request);
  const special = new Map<string, Refusal>();
  if (isHopeful(candidates, past)) {
    for (const id of past.failing) if (candidates.fits(id)) special.set(id, LATELY);
  }
  for (const [id, refusal] of past.avoided) {
    const deeper = candidates.refusal(id);
    const open = deeper === null || (deeper.retryable && deeper.code !== 'NodePending');
    if (open && fleet.nodes.has(id)) special.set(id, refusal);
  }
  return special;
}

function describe(requested: number, suitable: number, fleet: Fleet, reasons: Reason[]): Shortage {
  const { nodes, available } = fleet;
  reasons.sort((a, b) => b.count - a.count || (a.refusal.reason < b.refusal.reason ? -1 : 1));
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
  const text = count === 1 ? `Node ${nodeId}: ${refusal.reason}` : `${count} nodes: ${commonReason(refusal)}`;
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON)}…` : text;
}
