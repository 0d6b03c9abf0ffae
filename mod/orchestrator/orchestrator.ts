/** Puts an orchestrator together: store, bus, scheduler and the backends of the API. */
import { BacalhauError, toBacalhauError } from '../model/mod.ts';
import { DEFAULT_POLICY } from '../schedule/mod.ts';
import { type Bus, type OrchestratorLink, startOrchestratorLink } from '../transport/mod.ts';
import { Broker } from './broker.ts';
import { Housekeeping } from './housekeeping.ts';
import { Jobs } from './jobs/jobs.ts';
import { NodeManager } from './nodes/node_manager.ts';
import { Nodes } from './nodes/nodes.ts';
import { DEFAULT_SETTINGS, type OrchestratorOptions } from './options.ts';
import { Transactor } from './work/transactor.ts';
import { NodeIndex } from './work/node_index.ts';
import { PastIndex } from './work/past_index.ts';

/** A running orchestrator. */
export interface Orchestrator extends AsyncDisposable {
  /** For the API. */
  readonly jobs: Jobs;
  readonly nodes: Nodes;
  /** Ends sessions and timers; idempotent. Store and bus remain the caller's. */
  close(): Promise<void>;
}

const RECONNECT_MS = 200;
const RECONNECT_MAX_MS = 5_000;

/**
 * Goes on where the store was left: wants, delayed evaluations and outboxes are rows.
 * @throws BacalhauError when the store cannot be read
 */
export async function startOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const running = new Running(options);
  await running.start();
  return running;
}

class Running implements Orchestrator {
  readonly jobs: Jobs;
  readonly nodes: Nodes;
  readonly #options: OrchestratorOptions;
  readonly #transactor: Transactor;
  readonly #manager: NodeManager;
  readonly #stopping = new AbortController();
  readonly #settings;
  readonly #owner: string;
  #bus: Bus;
  #link: OrchestratorLink | undefined;
  #broker: Broker | undefined;
  #housekeeping: Housekeeping | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: OrchestratorOptions) {
    const { world, store, id, defaults, compatibility, installationId, instanceId } = options;
    this.#options = options;
    this.#bus = options.bus;
    this.#settings = { ...DEFAULT_SETTINGS, ...options.settings };
    this.#owner = `${id}/${world.uuid()}`;
    const policy = {
      ...DEFAULT_POLICY,
      userErrorsFinal: compatibility.userErrorsFinal,
      ...options.scheduler,
    };
    const hearingSince = () => this.#manager.hearingSince;
    const context = {
      world,
      policy,
      nodes: new NodeIndex(policy.overCommit),
      pasts: new PastIndex(),
      get hearingSince() {
        return hearingSince();
      },
    };
    this.#transactor = new Transactor(store, context, this.#onError);
    this.#manager = new NodeManager({
      transactor: this.#transactor,
      world,
      settings: this.#settings,
      policy,
      compatibility,
      heartbeatMs: options.timings.heartbeatMs,
      owner: this.#owner,
      onError: this.#onError,
    });
    this.jobs = new Jobs({
      transactor: this.#transactor,
      world,
      orchestratorId: id,
      ...(installationId ? { installationId } : {}),
      ...(instanceId ? { instanceId } : {}),
      defaults,
      maxMessageBytes: Math.min(this.#settings.maxMessageBytes, this.#bus.maxPayload),
    }, () => this.#connected());
    this.nodes = new Nodes(store, this.#manager.sessions, world, options.self);
  }

  readonly #onError = (thrown: unknown): void => {
    if (!this.#stopping.signal.aborted) this.#options.onError?.(toBacalhauError(thrown));
  };

  async start(): Promise<void> {
    const { world } = this.#options;
    await this.#manager.start();
    const parts = { transactor: this.#transactor, world, settings: this.#settings, onError: this.#onError };
    this.#broker = new Broker(parts);
    this.#housekeeping = new Housekeeping(parts);
    this.#attach(this.#bus);
  }

  #attach(bus: Bus): void {
    const manager = this.#manager;
    const { id: orchestratorId, world, timings } = this.#options;
    this.#bus = bus;
    const link = this.#link = startOrchestratorLink({
      orchestratorId,
      world,
      bus,
      timings,
      handshake: (request) => manager.handshake(request),
      heartbeat: (request) => manager.heartbeat(request),
      updateNodeInfo: (request) => manager.updateNodeInfo(request),
      shutdownNotice: (request) => manager.shutdownNotice(request),
      receive: (session, batch) => manager.receive(session, batch),
      outbox: (session) => manager.outbox(session),
      dropped: (session, reason) => manager.dropped(session, reason),
    });
    manager.attach(link);
    void bus.closed.then(() => this.#reconnect(link));
  }

  /** The message server is gone: nodes are suspect until a new connection has heard from them. */
  async #reconnect(lost: OrchestratorLink): Promise<void> {
    const { connect, world, id } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted || this.#link !== lost) return;
    this.#link = undefined;
    this.#manager.detach();
    await lost.close();
    if (!connect) return this.#onError(unreachable());
    for (let wait = RECONNECT_MS; !signal.aborted; wait = Math.min(wait * 2, RECONNECT_MAX_MS)) {
      try {
        const bus = await connect({ name: id, signal });
        return this.#attach(bus);
      } catch (error) {
        this.#onError(error);
        await world.sleep(wait, signal).catch(() => undefined);
      }
    }
  }

  #connected(): OrchestratorLink {
    if (this.#link) return this.#link;
    throw unreachable();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    await this.#link?.close();
    await this.#broker?.close();
    await this.#housekeeping?.close();
    await this.#manager.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function unreachable(): BacalhauError {
  return new BacalhauError(
    'ServiceUnavailable',
    'Cannot reach the nodes: the connection to the message server is lost',
    {
      component: 'NodesManager',
      retryable: true,
      hint: 'See the log of the orchestrator; it goes on trying',
    },
  );
}
