/**
 * The orchestrator's data plane of one node session: receiver of `out.msgs`, sender to `in.msgs`. There is one per node
 * id; a new handshake replaces it.
 */
import type { BacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { Bus } from '../bus/bus.ts';
import type { OrchestratorLinkOptions, SessionKey } from './link.ts';
import type { InMessage, OutMessage } from '../wire/messages.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { inSubject, outSubject } from '../wire/subjects.ts';

const OUT_TYPES: ReadonlySet<string> = new Set<OutMessage['type']>([
  'BidResult',
  'RunResult',
  'ComputeError',
  'ExecutionStatus',
  'ExecutionInventory',
]);

export interface DataPlaneOptions {
  readonly session: SessionKey;
  readonly world: World;
  readonly bus: Bus;
  readonly ackMs: number;
  /** The node named our extension. */
  readonly extended: boolean;
  readonly receive: OrchestratorLinkOptions['receive'];
  readonly outbox: OrchestratorLinkOptions['outbox'];
  /** Called once when the plane cannot go on. */
  failed(error: BacalhauError): void;
}

export class DataPlane {
  readonly session: SessionKey;
  readonly #options: DataPlaneOptions;
  readonly #receiver: Receiver<OutMessage>;
  #sender: Sender<InMessage> | undefined;
  #stopped = false;

  /** Subscribes; the caller flushes, answers the handshake and then calls {@link send}. */
  constructor(options: DataPlaneOptions) {
    this.#options = options;
    this.session = options.session;
    this.#receiver = new Receiver({
      bus: options.bus,
      subject: outSubject(options.session.nodeId),
      expects: (type) => OUT_TYPES.has(type),
      receive: (batch) => options.receive(options.session, batch),
      failed: (error) => this.#fail(error),
    });
  }

  /** Starts sending the outbox of the session. */
  send(): void {
    if (this.#stopped) return;
    const { session, world, bus, ackMs, extended, outbox } = this.#options;
    const subject = inSubject(session.nodeId);
    this.#sender = new Sender<InMessage>({
      world,
      bus,
      subject,
      source: `orchestrator-${session.nodeId}`,
      outbox: outbox(session),
      ackMs,
      metadata: { 'Bacalhau-Subject': subject },
      chained: extended,
      understands: () => true,
      failed: (error) => this.#fail(error),
    });
  }

  /** Resolves when nothing of this plane is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#receiver.stop(), this.#sender?.stop()]);
  }

  #fail(error: BacalhauError): void {
    if (!this.#stopped) this.#options.failed(error);
  }
}
