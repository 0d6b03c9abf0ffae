/** Where all write operations of the orchestrator pass: grouped by the store, each with its evaluations. */
import { toBacalhauError } from '../../model/mod.ts';
import type { OrchestratorStore } from '../../store/mod.ts';
import { UnitOfWork, type Wake, type WorkContext } from './unit_of_work.ts';

/** Executions that are placed in the transaction of somebody who waits for its answer; the rest follow at once. */
const INLINE_PLACEMENTS = 2;

export class Transactor {
  readonly #nodes = new Map<string, boolean>();
  readonly #requests = new Set<bigint>();
  #serving = false;

  constructor(
    readonly store: OrchestratorStore,
    readonly context: WorkContext,
    readonly onError: (error: unknown) => void,
  ) {}

  /**
   * Runs `operation` and the evaluations it asks for in one transaction; resolves when that is durable. If the evaluations
   * fail, the operation is committed without them and they become rows.
   * @throws what `operation` throws; nothing of it has been committed then
   */
  async commit<T>(operation: (work: UnitOfWork) => Promise<T>): Promise<T> {
    let evaluating = false;
    try {
      return await this.#run(
        async (work) => {
          evaluating = false;
          const result = await operation(work);
          evaluating = true;
          return result;
        },
        true,
        INLINE_PLACEMENTS,
      );
    } catch (error) {
      const { code } = toBacalhauError(error);
      if (!evaluating || code.startsWith('Store')) throw error;
      return await this.#run(operation, false, 0);
    }
  }

  /** As {@link commit}, but when the evaluations fail so does the operation. */
  commitWhole<T>(operation: (work: UnitOfWork) => Promise<T>): Promise<T> {
    return this.#run(operation, true, this.context.policy.maxPlacements);
  }

  /** Serves those that wait for what earlier transactions have left to do. */
  async serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    try {
      while (this.#nodes.size + this.#requests.size > 0) {
        const wake = { nodes: new Map(this.#nodes), requests: [...this.#requests] };
        this.#nodes.clear();
        this.#requests.clear();
        const serve = this.commitWhole((work) => Promise.resolve(work.wake(wake)));
        await serve.catch((error) => {
          this.#remember(wake);
          throw error;
        });
      }
    } catch (error) {
      this.onError(error);
    } finally {
      this.#serving = false;
    }
  }

  #remember({ nodes, requests }: Wake): void {
    for (const [id, changed] of nodes) this.#nodes.set(id, changed || (this.#nodes.get(id) ?? false));
    for (const id of requests) this.#requests.add(id);
  }

  async #run<T>(operation: (work: UnitOfWork) => Promise<T>, inline: boolean, budget: number): Promise<T> {
    const { result, left } = await this.store.write(async (tx) => {
      const work = new UnitOfWork(tx, this.context, inline, budget);
      const result = await operation(work);
      await work.finish();
      return { result, left: work.left };
    });
    this.#remember(left);
    if (left.nodes.size + left.requests.size > 0) void this.serve();
    return result;
  }
}
