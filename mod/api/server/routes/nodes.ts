/** `/api/v1/orchestrator/nodes` (rest-api.md 7.5). */
import type { Hono } from 'hono';
import type { NodeState, Resources } from '../../../model/mod.ts';
import type { NodesBackend } from '../backend.ts';
import { type ApiEnv, replyText } from '../context.ts';
import { requestError } from '../errors.ts';
import { listText, nodeStateText } from '../json_text.ts';
import { readSelector } from '../selector.ts';

type Compare = (a: NodeState, b: NodeState) => number;

const byText = (text: (node: NodeState) => string): Compare => (a, b) =>
  text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;

/** Largest first. */
const byAvailable = (amount: keyof Omit<Resources, 'GPUs'>): Compare => (a, b) =>
  (b.Info.ComputeNodeInfo.AvailableCapacity[amount] ?? 0) -
  (a.Info.ComputeNodeInfo.AvailableCapacity[amount] ?? 0);

const byId = byText((node) => node.Info.NodeID);
const byApproval = byText((node) => node.Membership);

const ORDERS: Readonly<Record<string, Compare>> = {
  '': byId,
  id: byId,
  type: byText((node) => node.Info.NodeType),
  available_cpu: byAvailable('CPU'),
  available_memory: byAvailable('Memory'),
  available_disk: byAvailable('Disk'),
  available_gpu: byAvailable('GPU'),
  approval: byApproval,
  // The original sorts `status` by approval too; the connection decides among equals here.
  status: (a, b) => byApproval(a, b) || byText((node) => node.Connection)(a, b),
};

export function nodeRoutes(app: Hono<ApiEnv>, nodes: NodesBackend): void {
  const base = '/api/v1/orchestrator/nodes';

  app.get(base, async (c) => {
    const query = c.get('query');
    const orderBy = query.text('order_by');
    const compare = Object.hasOwn(ORDERS, orderBy) ? ORDERS[orderBy] : undefined;
    if (!compare) {
      const valid = Object.keys(ORDERS).filter(Boolean).join(', ');
      throw requestError(`Cannot order nodes by "${orderBy}": it is none of ${valid}`);
    }
    const found = await nodes.listNodes({
      labels: readSelector(query),
      approval: query.text('filter-approval').toUpperCase(),
      status: query.text('filter-status').toUpperCase(),
    });
    const direction = query.bool('reverse') ? -1 : 1;
    const sorted = found.toSorted((a, b) => direction * compare(a, b) || byId(a, b));
    const shown = sorted.slice(0, query.uint32('limit') || undefined);
    return replyText(c, listText(shown.map(nodeStateText), '', 'Nodes'));
  });

  app.get(`${base}/:id`, async (c) => {
    return replyText(c, `{"Node":${nodeStateText(await nodes.getNode(c.req.param('id')))}}`);
  });
}
