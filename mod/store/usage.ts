/**
 * What is promised to the live and stopping executions of each node, kept as a sum in the transaction that changes them,
 * so that two plans cannot oversell a node (S11).
 */
import type { Insertable } from 'kysely';
import type { Resources } from '../model/mod.ts';
import type { ReadContext, WriteContext } from './context.ts';
import { type NodeUsageTable, prepare, type Stored } from './orchestrator_schema.ts';
import type { ExecutionRow, UsageRow } from './rows.ts';
import { fields } from './statement.ts';

const COLUMNS = ['node_id', 'executions', 'cpu_milli', 'memory', 'disk', 'gpu', 'rev'] as const;
const SUMS = ['executions', 'cpu_milli', 'memory', 'disk', 'gpu', 'rev'] as const;

const usageById = prepare((db, nodeId: string) =>
  db.selectFrom('node_usage').selectAll().where('node_id', '=', nodeId).compile()
);
const add = prepare((db, delta: Insertable<NodeUsageTable>) =>
  db.insertInto('node_usage').values(fields(delta, COLUMNS)).onConflict((conflict) =>
    conflict.column('node_id').doUpdateSet((set) =>
      Object.fromEntries(
        SUMS.map((name) => [name, set(`node_usage.${name}`, '+', set.ref(`excluded.${name}`))]),
      )
    )
  ).compile()
);

export async function usageOf(context: ReadContext, nodeId: string): Promise<UsageRow> {
  const row = await usageById.first(context.db, nodeId);
  return row ? usageRow(row) : NO_USAGE(nodeId);
}

/** Adds (`sign` 1) or gives back (-1) what an execution holds. */
export async function addUsage(context: WriteContext, execution: ExecutionRow, sign: 1 | -1): Promise<void> {
  const { cpu_milli, memory, disk, gpu } = amounts(execution);
  await add.run(context.db, {
    node_id: execution.nodeId,
    executions: sign,
    cpu_milli: sign * cpu_milli,
    memory: sign * memory,
    disk: sign * disk,
    gpu: sign * gpu,
    rev: 1,
  });
}

export function usageRow(row: Stored<'node_usage'>): UsageRow {
  const sum = {
    cpu_milli: Number(row.cpu_milli),
    memory: Number(row.memory),
    disk: Number(row.disk),
    gpu: Number(row.gpu),
  };
  return usage(row.node_id, Number(row.executions), sum, row.rev);
}

export const NO_USAGE = (nodeId: string): UsageRow =>
  usage(nodeId, 0, { cpu_milli: 0, memory: 0, disk: 0, gpu: 0 }, 0n);

interface Amounts {
  readonly cpu_milli: number;
  readonly memory: number;
  readonly disk: number;
  readonly gpu: number;
}

/** CPU in whole millicores, so that sums of decimals compare exactly. */
function amounts(execution: ExecutionRow): Amounts {
  const sum = { cpu_milli: 0, memory: 0, disk: 0, gpu: 0 };
  for (const task of Object.values(execution.allocated.Tasks)) {
    sum.cpu_milli += Math.round((task.CPU ?? 0) * 1000);
    sum.memory += task.Memory ?? 0;
    sum.disk += task.Disk ?? 0;
    sum.gpu += task.GPU ?? 0;
  }
  return sum;
}

function usage(nodeId: string, executions: number, sum: Amounts, rev: bigint): UsageRow {
  const promised: Resources = Object.freeze({
    ...(sum.cpu_milli ? { CPU: sum.cpu_milli / 1000 } : {}),
    ...(sum.memory ? { Memory: sum.memory } : {}),
    ...(sum.disk ? { Disk: sum.disk } : {}),
    ...(sum.gpu ? { GPU: sum.gpu } : {}),
  });
  return Object.freeze({ nodeId, executions, promised, rev });
}
