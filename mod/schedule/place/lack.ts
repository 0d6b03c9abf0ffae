/** Too few nodes: what to tell, and whether waiting can help (orchestrator.md 8.5, compatibility.md A3 in basic form). */
import type { StringMap } from '../../model/mod.ts';
import type { NodeRefusal, NodeView } from '../types.ts';

export interface Lack {
  readonly message: string;
  readonly details: StringMap;
}

/** `2 of 3 nodes: this node …` per reason, most frequent first; a single node is named. */
function reasons(refusals: readonly NodeRefusal[]): string[] {
  const groups = new Map<string, NodeRefusal[]>();
  for (const refusal of refusals) {
    const group = groups.get(refusal.reason);
    if (group) group.push(refusal);
    else groups.set(refusal.reason, [refusal]);
  }
  return [...groups.values()]
    .sort((a, b) => b.length - a.length || (a[0]!.reason < b[0]!.reason ? -1 : 1))
    .map((group) => {
      const who = group.length === 1 ? `Node ${group[0]!.nodeId}` : `${group.length} nodes`;
      return `${who}: ${group[0]!.reason}`;
    });
}

export function describeLack(
  requested: number,
  nodes: readonly NodeView[],
  suitable: number,
  refusals: readonly NodeRefusal[],
): Lack {
  const available =
    nodes.filter((node) => node.membership === 'APPROVED' && node.session === 'connected').length;
  const why = nodes.length === 0 ? ['no compute node has joined yet'] : reasons(refusals);
  const hint = refusals.find(({ hint }) => hint !== '')?.hint ?? '';
  return {
    message: `not enough nodes to run job. requested: ${requested}, available: ${available}, ` +
      `suitable: ${suitable}. ${why.join('; ')}`,
    details: {
      IsError: 'true',
      ...(refusals.some(({ retryable }) => retryable) || nodes.length === 0 ? { Retryable: 'true' } : {}),
      ...(hint ? { Hint: hint } : {}),
      ErrorCode: 'Scheduler:NotEnoughNodes',
      NodesRequested: String(requested),
      NodesAvailable: String(available),
      NodesSuitable: String(suitable),
    },
  };
}

/** No known node could ever take it. With no node at all there is still hope: one may join. */
export function isHopeless(nodes: readonly NodeView[], refusals: readonly NodeRefusal[]): boolean {
  return nodes.length > 0 && refusals.length === nodes.length &&
    refusals.every(({ retryable }) => !retryable);
}
