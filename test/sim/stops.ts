/**
 * S6: after a stop is answered, no run begins but on a node that has not handled its cancel yet, and none there after it
 * has. A run begins when its node asks the engine to start it: what the engine does with that takes its time.
 */
import type { Committed } from './committed.ts';
import type { Program } from './host.ts';
import { Violation } from './violation.ts';

export class Stops {
  /** Executions that there were when the stop of their job was answered. */
  readonly #answered = new Map<string, ReadonlySet<string>>();

  constructor(readonly orchestrator: Committed, readonly nodes: ReadonlyMap<string, Committed>) {}

  answered(jobId: string): void {
    const rows = this.orchestrator.rows<{ id: string }>('select id from executions where job_id = ?', jobId);
    this.#answered.set(jobId, new Set(rows.map(({ id }) => id)));
  }

  placed(jobId: string, executionId: string): void {
    if (this.#answered.get(jobId)?.has(executionId) !== false) return;
    throw new Violation('S6', `${executionId} is placed though the stop of its job was answered`);
  }

  /** @returns whether the stop of its job was answered before */
  beginning({ nodeId, executionId, request: { jobId } }: Program): boolean {
    const [row] = this.nodes.get(nodeId)!.rows<{ phase: string; desired: number }>(
      'select phase, desired from executions where id = ?',
      executionId,
    );
    if (!row || row.desired === 2 || row.phase === 'cancelling') {
      const text = `${nodeId} begins ${executionId}, having handled its cancel: ${JSON.stringify(row)}`;
      throw new Violation('S6', text);
    }
    this.placed(jobId, executionId);
    return this.#answered.has(jobId);
  }
}
