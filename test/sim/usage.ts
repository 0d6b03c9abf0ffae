/** S11: the usage of a node is the sum over its live and stopping executions, and within its limit at each placement. */
import type { Committed } from './committed.ts';
import { LIVE } from './tables.ts';
import { Violation } from './violation.ts';

/** `DEFAULT_POLICY.overCommit` of the scheduler. */
const OVER_COMMIT = 1.5;

interface Amounts {
  executions: number;
  cpu_milli: number;
  memory: number;
  disk: number;
  gpu: number;
}

const NAMES = ['executions', 'cpu_milli', 'memory', 'disk', 'gpu'] as const;
const none = (): Amounts => ({ executions: 0, cpu_milli: 0, memory: 0, disk: 0, gpu: 0 });

export interface Placed {
  readonly id: string;
  readonly node_id: string;
  readonly phase: string;
}

export class Usage {
  readonly #allocated = new Map<string, Amounts>();
  readonly #limits = new Map<string, { readonly rev: number; readonly limit: Amounts }>();

  constructor(readonly orchestrator: Committed) {}

  /** @param placed executions that were not there before */
  look(executions: readonly Placed[], placed: readonly Placed[]): void {
    const sums = new Map<string, Amounts>();
    for (const { id, node_id, phase } of executions) {
      if (!LIVE.has(phase) && phase !== 'stopping') continue;
      const sum = sums.get(node_id) ?? none();
      sums.set(node_id, sum);
      for (const name of NAMES) sum[name] += this.#of(id)[name];
    }
    const kept = this.orchestrator.rows<Amounts & { node_id: string }>('select * from node_usage');
    for (const row of kept) {
      const sum = sums.get(row.node_id) ?? none();
      const wrong = NAMES.filter((name) => row[name] !== sum[name]);
      if (wrong.length === 0) continue;
      const text = wrong.map((name) => `${name} is ${row[name]}, not ${sum[name]}`).join(', ');
      throw new Violation('S11', `the usage of ${row.node_id} is no sum: ${text}`);
    }
    for (const node of new Set(placed.map(({ node_id }) => node_id))) {
      this.#fits(node, sums.get(node) ?? none());
    }
    this.#lookAtLimits();
  }

  /** What a node could take before this step, or can now. */
  #fits(node: string, sum: Amounts): void {
    const before = this.#limits.get(node)?.limit;
    this.#lookAtLimits();
    const { limit } = this.#limits.get(node)!;
    const over = NAMES.filter((name) => sum[name] > Math.max(limit[name], before?.[name] ?? 0));
    if (over.length === 0) return;
    const text = over.map((name) => `${name} ${sum[name]} of ${limit[name]}`).join(', ');
    throw new Violation('S11', `more is placed on ${node} than it can take: ${text}`);
  }

  #of(id: string): Amounts {
    const known = this.#allocated.get(id);
    if (known) return known;
    const [row] = this.orchestrator.rows<{ allocated: string }>(
      'select allocated from executions where id = ?',
      id,
    );
    const sum = { ...none(), executions: 1 };
    for (const task of Object.values(JSON.parse(row!.allocated).Tasks) as Record<string, number>[]) {
      sum.cpu_milli += Math.round((task.CPU ?? 0) * 1000);
      sum.memory += task.Memory ?? 0;
      sum.disk += task.Disk ?? 0;
      sum.gpu += task.GPU ?? 0;
    }
    this.#allocated.set(id, sum);
    return sum;
  }

  #lookAtLimits(): void {
    for (
      const { id, rev } of this.orchestrator.rows<{ id: string; rev: number }>('select id, rev from nodes')
    ) {
      if (this.#limits.get(id)?.rev === rev) continue;
      const [{ info }] = this.orchestrator.rows<{ info: string }>(
        'select info from nodes where id = ?',
        id,
      ) as [
        { info: string },
      ];
      const { CPU = 0, Memory = 0, Disk = 0, GPU = 0 } = JSON.parse(info).ComputeNodeInfo.MaxCapacity;
      const limit = {
        executions: Infinity,
        cpu_milli: CPU * 1000 * OVER_COMMIT,
        memory: Memory * OVER_COMMIT,
        disk: Disk * OVER_COMMIT,
        gpu: GPU * OVER_COMMIT,
      };
      this.#limits.set(id, { rev, limit });
    }
  }

  /** What fits on the node now. */
  room(node: string, usage: Amounts): Omit<Amounts, 'executions'> | null {
    const limit = this.#limits.get(node)?.limit;
    if (!limit) return null;
    const left = (name: (typeof NAMES)[number]) => limit[name] - usage[name];
    return { cpu_milli: left('cpu_milli'), memory: left('memory'), disk: left('disk'), gpu: left('gpu') };
  }
}
