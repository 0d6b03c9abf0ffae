/**
 * A compute node's end of the session: connects, and connects again with growing, jittered waits for as long as it is not
 * closed. Each attempt is a new connection (invariants.md O7); what happens on it is `compute_session.ts`.
 */
import { BacalhauError, toBacalhauError } from '../../model/mod.ts';
import type { Bus } from '../bus/bus.ts';
import { ComputeSession } from './compute_session.ts';
import type { ComputeLink, ComputeLinkOptions, LinkStatus } from './link.ts';
import { checkNodeId } from '../wire/subjects.ts';

/** @throws BacalhauError `BadRequest` when the node id cannot be part of a subject */
export function startComputeLink(options: ComputeLinkOptions): ComputeLink {
  checkNodeId(options.nodeId);
  return new Link(options);
}

class Link implements ComputeLink {
  readonly #options: ComputeLinkOptions;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #session: ComputeSession | undefined;
  #status: LinkStatus = 'connecting';
  #failures = 0;

  constructor(options: ComputeLinkOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  get status(): LinkStatus {
    return this.#status;
  }

  async flush(ms: number): Promise<void> {
    const enough = new AbortController();
    const sleeping = this.#options.world.sleep(ms, enough.signal).catch(() => undefined);
    await Promise.race([this.#session?.idle(), sleeping]);
    enough.abort();
  }

  async notice(reason: string): Promise<void> {
    if (this.#session !== undefined && this.#status === 'connected') {
      return await this.#session.notice(reason);
    }
    const { nodeId } = this.#options;
    throw new BacalhauError(
      'ConnectionClosed',
      `Cannot announce the end of node "${nodeId}": it is not connected`,
    );
  }

  async close(): Promise<void> {
    this.#abort.abort(new BacalhauError('ConnectionClosed', 'The link was closed'));
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #report(status: LinkStatus, reason: string): void {
    if (status === 'connected') this.#failures = 0;
    this.#status = status;
    this.#options.status?.(status, reason);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.#report('connecting', '');
      try {
        await this.#connectOnce();
      } catch (thrown) {
        if (signal.aborted) break;
        this.#report('disconnected', toBacalhauError(thrown).message);
      }
      if (!signal.aborted) await this.#pause();
    }
    this.#report('closed', '');
  }

  async #connectOnce(): Promise<void> {
    const { signal } = this.#abort;
    const { nodeId, connect } = this.#options;
    const bus: Bus = await connect({ name: nodeId, signal });
    this.#session = new ComputeSession(this.#options, bus, signal, (...change) => this.#report(...change));
    try {
      await this.#session.run();
    } finally {
      this.#session = undefined;
      await bus.close();
    }
  }

  /** Half of the wait is random, so that a thousand nodes do not come back in one moment. */
  async #pause(): Promise<void> {
    const { world, timings: { reconnectMs, reconnectMaxMs } } = this.#options;
    const ceiling = Math.min(reconnectMs * 2 ** Math.min(this.#failures++, 30), reconnectMaxMs);
    try {
      await world.sleep(ceiling * (0.5 + world.random() / 2), this.#abort.signal);
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }
}
