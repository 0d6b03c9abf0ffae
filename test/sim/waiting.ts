/**
 * L7: work that waits for room is looked at within a second of there being some. Seen from outside: no want has a node
 * with room for longer. A node that has had an execution of the job may be avoided, so it counts as none.
 */
import type { Committed } from './committed.ts';
import type { Usage } from './usage.ts';
import { Violation } from './violation.ts';

const LOOKED_AT_MS = 1_000;
/** For the commits in between. */
const TOLERANCE_MS = 100;

interface Want {
  readonly job_id: string;
  readonly slot: string;
  readonly key: string;
}

type NodeRow = Parameters<Usage['room']>[1] & { readonly id: string };

export class Waiting {
  /** Wants that some node has room for, and since when. */
  readonly #since = new Map<string, number>();
  #up = false;

  constructor(readonly orchestrator: Committed, readonly usage: Usage, readonly now: () => number) {}

  /** While its process is down nobody looks; what it committed just before its end is seen after that. */
  orchestratorIs(up: boolean): void {
    this.#up = up;
    this.#since.clear();
  }

  /** After each commit. @returns how many wait */
  look(): number {
    const wants = this.orchestrator.rows<Want>(
      `select job_id, slot, key from wants join requests on requests.id = request where due = 0`,
    );
    const nodes = wants.length === 0 ? [] : this.orchestrator.rows<NodeRow>(
      `select nodes.id, coalesce(executions, 0) as executions, coalesce(cpu_milli, 0) as cpu_milli,
          coalesce(memory, 0) as memory, coalesce(disk, 0) as disk, coalesce(gpu, 0) as gpu
        from nodes join node_sessions on node_sessions.node_id = nodes.id
          left join node_usage on node_usage.node_id = nodes.id
        where status = 'connected' and membership = 'APPROVED' and eligibility = 'eligible'`,
    );
    const open = new Set<string>();
    for (const want of wants) {
      const key = `${want.job_id}/${want.slot}`;
      if (!nodes.some((node) => this.#hasRoom(node, want))) continue;
      open.add(key);
      if (this.#up && !this.#since.has(key)) this.#since.set(key, this.now());
    }
    for (const key of this.#since.keys()) if (!open.has(key)) this.#since.delete(key);
    return wants.length;
  }

  /** After each step. */
  check(): void {
    for (const [key, since] of this.#since) {
      const ms = this.now() - since;
      if (ms <= LOOKED_AT_MS + TOLERANCE_MS) continue;
      throw new Violation('L7', `${key} waits, and there has been room for it for ${ms.toFixed(0)} ms`);
    }
  }

  #hasRoom(node: NodeRow, { job_id, key }: Want): boolean {
    const room = this.usage.room(node.id, node);
    const { CPU = 0, Memory = 0, Disk = 0, GPU = 0 } = JSON.parse(key).resources as Record<string, number>;
    const fits = room && Math.round(CPU * 1000) <= room.cpu_milli && Memory <= room.memory &&
      Disk <= room.disk &&
      GPU <= room.gpu;
    if (!fits) return false;
    const [past] = this.orchestrator.rows(
      'select 1 from executions where job_id = ? and node_id = ? limit 1',
      job_id,
      node.id,
    );
    return past === undefined;
  }
}
