/** Where all write operations of the orchestrator pass: grouped by the store, each with its evaluations. */
import { toBacalhauError } from '../../model/mod.ts';
import type { OrchestratorStore } from '../../store/mod.ts';
import { Work, type WorkContext } from './work.ts';

export class Desk {
  readonly #kick: () => void;

  constructor(
    readonly store: OrchestratorStore,
    readonly context: WorkContext,
    onError: (error: unknown) => void,
  ) {
    let serving = false;
    this.#kick = () => {
      if (serving) return;
      serving = true;
      const serve = this.commit((work) => {
        serving = false;
        work.capacityChanged();
        return Promise.resolve();
      });
      serve.catch((error) => {
        serving = false;
        onError(error);
      });
    };
  }

  /**
   * Runs `operation` and the evaluations it asks for in one transaction; resolves when that is durable. If the evaluations
   * fail, the operation is committed without them and they become rows.
   * @throws what `operation` throws; nothing of it has been committed then
   */
  async commit<T>(operation: (work: Work) => Promise<T>): Promise<T> {
    let evaluating = false;
    try {
      return await this.commitWhole(async (work) => {
        evaluating = false;
        const result = await operation(work);
        evaluating = true;
        return result;
      });
    } catch (error) {
      const { code } = toBacalhauError(error);
      if (!evaluating || code.startsWith('Store')) throw error;
      return (await this.#run(operation, false)).result;
    }
  }

  /** As {@link commit}, but when the evaluations fail so does the operation. */
  async commitWhole<T>(operation: (work: Work) => Promise<T>): Promise<T> {
    const { result, more } = await this.#run(operation, true);
    if (more) this.#kick();
    return result;
  }

  #run<T>(operation: (work: Work) => Promise<T>, inline: boolean): Promise<{ result: T; more: boolean }> {
    return this.store.write(async (tx) => {
      // What was read of nodes may be of a transaction that never was: this operation's, or its whole group's.
      tx.afterRollback(() => this.context.nodes.touchAll());
      const work = new Work(tx, this.context, inline);
      const result = await operation(work);
      await work.finish();
      return { result, more: work.moreToServe };
    });
  }
}
