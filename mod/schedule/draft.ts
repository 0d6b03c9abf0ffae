/**
 * The result of a reconciliation under construction: the input, the executions as they will be once the changes so far are
 * applied, and the changes. Rules read and write it in turn, so a later rule sees what an earlier one decided.
 */
import { isLive } from '../model/mod.ts';
import type { ExecutionChange, ExecutionView, ReconcileInput, Wake } from './types.ts';

export class Draft {
  /** Executions by id, with the changes so far. */
  readonly executions: Map<string, ExecutionView>;
  readonly #changes = new Map<string, ExecutionChange>();
  readonly wakes: Wake[] = [];
  deadline: bigint | undefined;

  constructor(readonly input: ReconcileInput) {
    this.executions = new Map(input.executions.map((execution) => [execution.id, execution]));
  }

  get live(): ExecutionView[] {
    return [...this.executions.values()].filter(({ phase }) => isLive(phase));
  }

  get changes(): readonly ExecutionChange[] {
    return [...this.#changes.values()];
  }

  /** A later change of the same execution replaces the earlier one and still starts where the row is. */
  change(change: ExecutionChange): void {
    const seen = this.executions.get(change.id)!;
    this.#changes.set(change.id, { ...change, from: this.#changes.get(change.id)?.from ?? change.from });
    this.executions.set(change.id, {
      ...seen,
      phase: change.phase,
      class: change.class ?? seen.class,
      code: change.code ?? seen.code,
      message: change.message ?? seen.message,
      lostAfter: change.lostAfter ?? seen.lostAfter,
      endedAt: isLive(change.phase) || change.phase === 'stopping' ? 0n : this.input.now,
    });
  }

  wakeAt(wake: Wake): void {
    this.wakes.push(wake);
  }
}
