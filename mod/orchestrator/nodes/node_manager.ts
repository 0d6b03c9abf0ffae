/**
 * Nodes and their sessions: answers control requests, notices silence, and passes reports on. A silent node's work is
 * unknown before it is lost (architecture.md section 3, promise 4); silence counts only while this process could hear (invariants.md
 * section 0, row 17).
 */
import {
  BacalhauError,
  type Compatibility,
  isLive,
  stringifyJson,
  toBacalhauError,
} from '../../model/mod.ts';
import type { SchedulePolicy } from '../../schedule/mod.ts';
import type { NodeView } from '../../store/mod.ts';
import {
  EXTENSION,
  type HandshakeDecision,
  type HandshakeRequest,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type OrchestratorLink,
  type OutMessage,
  type Received,
  type SessionKey,
  type ShutdownNoticeRequest,
  type UpdateNodeInfoRequest,
  type UpdateNodeInfoResponse,
} from '../../transport/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { NodeOutbox } from '../messages/node_outbox.ts';
import { onceStopped } from '../messages/ends.ts';
import type { OrchestratorSettings } from '../options.ts';
import type { Transactor } from '../work/transactor.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import { startForeignDeadlines } from './foreign_deadlines.ts';
import { bootOf, handshake, incarnationOf } from './handshake.ts';
import { Inbox } from './inbox.ts';
import { SilenceWatch } from './silence.ts';
import { type LiveSession, liveSession, Sessions } from './sessions.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** First wait before what could not be committed is tried again; doubles. */
const RETRY_MS = 100;
const RETRY_MAX_MS = 30_000;
/** Jobs of one node that are evaluated at a time. */
const MAX_EVALUATING = 64;

export interface NodeManagerOptions {
  readonly transactor: Transactor;
  readonly world: World;
  readonly settings: OrchestratorSettings;
  readonly policy: SchedulePolicy;
  readonly compatibility: Compatibility;
  /** Interval of heartbeats. */
  readonly heartbeatMs: number;
  readonly owner: string;
  onError(error: BacalhauError): void;
}

export class NodeManager {
  readonly sessions = new Sessions();
  readonly #options: NodeManagerOptions;
  readonly #outboxes = new Map<string, NodeOutbox>();
  #link: OrchestratorLink | undefined;
  readonly #inbox: Inbox;
  readonly #silence: SilenceWatch;
  #flushing: Disposable | undefined;
  readonly #closing = new AbortController();

  constructor(options: NodeManagerOptions) {
    this.#options = options;
    const { transactor, world, settings, policy, compatibility } = options;
    const report = (error: unknown) => this.#report(error);
    this.#inbox = new Inbox({ transactor, sessions: this.sessions, policy, compatibility, report });
    this.#silence = new SilenceWatch(world, settings, this.sessions, (silent) => {
      for (const session of silent) this.#detached(() => this.#gone(session, 'unknown', 'heartbeat timeout'));
    });
  }

  /**
   * Sessions of an earlier run of the process are suspect until their nodes say hello; silence counts anew. Jobs on nodes
   * that had left are looked at again: the earlier run may have ended before it did.
   */
  async start(): Promise<void> {
    const { transactor, world } = this.#options;
    const now = world.now();
    const { suspects, jobs } = await transactor.store.write(async (tx) => {
      const suspects: NodeView[] = [];
      const jobs = new Set<string>();
      for (const view of await tx.nodes.list()) {
        const { node, session } = view;
        if (session?.status === 'connected' || session?.status === 'suspect') {
          await tx.nodes.updateSession(node.id, session.epoch, { status: 'suspect' });
          suspects.push(view);
        } else {
          for (const { jobId, phase } of await tx.executions.outlinesByNode(node.id)) {
            if (isLive(phase) && phase !== 'unknown') jobs.add(jobId);
          }
        }
      }
      return { suspects, jobs };
    });
    for (const { node, session } of suspects) {
      const extended = node.extensions.includes(EXTENSION);
      this.sessions.put(
        liveSession(session!, { extended, connected: false, lastHeard: now, inventory: null }),
      );
    }
    this.#evaluate(jobs, 'node-leave');
  }

  /** Nodes can be heard through this link from now on. */
  attach(link: OrchestratorLink): void {
    this.#link = link;
    this.#silence.resume();
  }

  /** The link is lost. */
  detach(): void {
    this.#link = undefined;
    this.#silence.pause();
  }

  /** Since when nodes can be heard; now, while they cannot. */
  get hearingSince(): bigint {
    return this.#silence.hearingSince ?? this.#options.world.now();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#silence[Symbol.dispose]();
    this.#flushing?.[Symbol.dispose]();
    await this.#flushHeartbeats();
  }

  // ---- control requests

  async handshake(request: HandshakeRequest): Promise<HandshakeDecision> {
    const { transactor, world, settings, owner } = this.#options;
    const nodeId = request.NodeInfo.NodeID;
    const refuse = (reason: string): HandshakeDecision => ({
      response: { accepted: false, reason, LastComputeSeqNum: 0n, LastOrchestratorSeqNum: 0n },
    });
    if (await this.#hasTwin(request)) return refuse(twin(nodeId));
    const now = world.now();
    const { outcome, jobs } = await transactor.commit(async (work) => {
      const outcome = await handshake(work, request, { ...settings, owner });
      return { outcome, jobs: outcome.accepted ? await jobsOf(work, nodeId, true) : [] };
    });
    if (!outcome.accepted) return refuse(outcome.reason);
    const { session } = outcome;
    this.#evaluate(jobs, 'node-join');
    const { extended } = outcome;
    const live = liveSession(session, { extended, connected: true, lastHeard: now, inventory: [] });
    this.sessions.put(live);
    this.#silence.expect(live);
    return {
      session: { nodeId, epoch: session.epoch },
      response: {
        accepted: true,
        reason: outcome.reason,
        LastComputeSeqNum: session.reportedSeq,
        LastOrchestratorSeqNum: outcome.startSeq,
        StoreID: transactor.store.cluster.storeId,
        Epoch: session.epoch,
      },
    };
  }

  /**
   * Whether another process of this node id is there: one of ours says so when asked, one of the original's had a
   * heartbeat not long ago (invariants.md section 0, row 16).
   */
  async #hasTwin(request: HandshakeRequest): Promise<boolean> {
    const { world, heartbeatMs } = this.#options;
    const older = this.sessions.get(request.NodeInfo.NodeID);
    if (!older?.connected || older.incarnation === incarnationOf(request)) return false;
    const boot = bootOf(older.incarnation);
    if (boot) return await this.#link?.isAlive(older.nodeId, boot) ?? false;
    return world.now() < older.lastHeard + BigInt(Math.ceil(heartbeatMs * 2.5)) * NANOS_PER_MILLI;
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    const session = this.#required(request.NodeID);
    const { nodeId, extended, lastHeard } = session;
    this.sessions.heard(
      session,
      this.#options.world.now(),
      request.AvailableCapacity,
      request.QueueUsedCapacity,
    );
    this.#flushSoon();
    if (session.cancelled.size > 0) await this.#confirmCancelled(session);
    const { transactor, policy } = this.#options;
    if (!extended) {
      const { QueueUsedCapacity: queued } = request;
      await transactor.commit((work) =>
        startForeignDeadlines(work, nodeId, queued, lastHeard, policy.timeoutGrace)
      );
    }
    return { LastComputeSeqNum: session.reportedSeq };
  }

  async updateNodeInfo({ NodeInfo }: UpdateNodeInfoRequest): Promise<UpdateNodeInfoResponse> {
    this.#required(NodeInfo.NodeID);
    await this.#options.transactor.commit(async (work) => {
      const node = await work.tx.nodes.get(NodeInfo.NodeID);
      const infoHash = stringifyJson(NodeInfo);
      if (!node || node.infoHash === infoHash) return;
      await work.tx.nodes.update(node, { info: NodeInfo, infoHash });
      work.nodeChanged(node.id);
    });
    return { accepted: true };
  }

  async shutdownNotice({ NodeID, Reason }: ShutdownNoticeRequest): Promise<HeartbeatResponse> {
    const session = this.#required(NodeID);
    await this.#gone(session, 'closed', Reason || 'graceful shutdown');
    return { LastComputeSeqNum: session.reportedSeq };
  }

  #required(nodeId: string): LiveSession {
    const session = this.sessions.get(nodeId);
    if (session?.connected) return session;
    throw new BacalhauError('HandshakeRequired', `node ${nodeId} not connected - handshake required`, {
      component: 'NodesManager',
      retryable: true,
    });
  }

  // ---- data plane

  outbox(key: SessionKey): NodeOutbox {
    const outbox = new NodeOutbox(this.#options.transactor, key, (ids) => {
      const session = this.sessions.current(key.nodeId, key.epoch);
      if (session && !session.extended) { for (const id of ids) session.cancelled.add(id); }
    }, (error) => this.#report(error));
    this.#outboxes.get(key.nodeId)?.[Symbol.dispose]();
    this.#outboxes.set(key.nodeId, outbox);
    return outbox;
  }

  receive(key: SessionKey, batch: readonly Received<OutMessage>[]): Promise<void> {
    return this.#inbox.receive(key, batch);
  }

  /** The plane of a session is down. Its node is expected to shake hands again soon. */
  dropped(key: SessionKey, reason: string): void {
    const outbox = this.#outboxes.get(key.nodeId);
    if (outbox?.session.epoch === key.epoch) {
      outbox[Symbol.dispose]();
      this.#outboxes.delete(key.nodeId);
    }
    const session = this.sessions.current(key.nodeId, key.epoch);
    if (!session?.connected || this.#closing.signal.aborted) return;
    session.connected = false;
    void this.#untilCommitted(() =>
      this.#options.transactor.commit(async (work) => {
        await work.tx.nodes.updateSession(key.nodeId, key.epoch, { status: 'suspect', lastError: reason });
        work.nodeChanged(key.nodeId);
      })
    );
  }

  // ---- silence

  /**
   * The node cannot be heard any more: what its work is, is up to the evaluations of its jobs. Each is one of its own, so
   * that none can keep the node, or the others, from it.
   */
  async #gone(session: LiveSession, status: 'unknown' | 'closed', why: string): Promise<void> {
    const { transactor } = this.#options;
    const { nodeId, epoch } = session;
    const jobs = await this.#untilCommitted(() =>
      transactor.commit(async (work) => {
        const row = await work.tx.nodes.updateSession(nodeId, epoch, {
          status,
          lastError: why,
          disconnectedSince: work.tx.now,
        });
        if (!row) return [];
        work.nodeChanged(nodeId);
        return await jobsOf(work, nodeId, false);
      })
    );
    if (!jobs) return;
    this.#evaluate(jobs, 'node-leave');
    if (this.sessions.current(nodeId, epoch) !== session) return;
    this.sessions.delete(nodeId);
    if (status === 'unknown') this.#link?.drop(nodeId, why);
  }

  #evaluate(jobs: Iterable<string>, trigger: 'node-join' | 'node-leave'): void {
    const rest = [...jobs];
    const next = async (): Promise<void> => {
      for (let id = rest.pop(); id !== undefined; id = rest.pop()) await evaluate(id);
    };
    const evaluate = async (id: string): Promise<void> => {
      const commit = () =>
        this.#options.transactor.commit((work) => Promise.resolve(work.evaluate(id, trigger)));
      // One that fails goes on by itself and gives up its place to the others.
      await commit().catch((error) => {
        this.#report(error);
        void this.#untilCommitted(commit);
      });
    };
    for (let i = Math.min(rest.length, MAX_EVALUATING); i > 0; i--) void next();
  }

  /** What has happened already is tried to be recorded until it is. @returns undefined when the store takes nothing more */
  async #untilCommitted<T>(operation: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#closing;
    for (let wait = RETRY_MS; !signal.aborted; wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        return await operation();
      } catch (thrown) {
        this.#report(thrown);
        const { code } = toBacalhauError(thrown);
        if (code === 'StoreFailed' || code === 'StoreClosed') return undefined;
        await this.#options.world.sleep(wait, signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** A node of the original does not report that it stopped: a cancel it acknowledged and a later heartbeat tell it. */
  async #confirmCancelled(session: LiveSession): Promise<void> {
    const ids = [...session.cancelled];
    session.cancelled.clear();
    await this.#options.transactor.commit(async (work) => {
      for (const id of ids) {
        const row = await work.tx.executions.get(id);
        if (row?.phase === 'stopping') await onceStopped(work, row);
      }
    });
  }

  // ---- heartbeats

  #flushSoon(): void {
    const { world, settings } = this.#options;
    this.#flushing ??= world.after(settings.heartbeatFlushMs, () => {
      this.#flushing = undefined;
      this.#detached(() => this.#flushHeartbeats());
    });
  }

  async #flushHeartbeats(): Promise<void> {
    const batch = this.sessions.takeHeartbeats();
    if (batch.length > 0) await this.#options.transactor.store.write((tx) => tx.nodes.heartbeats(batch));
  }

  /** Work that nobody waits for. */
  #detached(operation: () => Promise<void>): void {
    operation().catch((thrown) => this.#report(thrown));
  }

  #report(thrown: unknown): void {
    if (!this.#closing.signal.aborted) this.#options.onError(toBacalhauError(thrown));
  }
}

function twin(nodeId: string): string {
  return `another process with node id "${nodeId}" is connected; stop it, or start this one with --name and, ` +
    'if its data directory is a copy, with a directory of its own';
}

/** Jobs with work on the node; when it joins, those whose work was unknown. */
async function jobsOf(work: UnitOfWork, nodeId: string, joined: boolean): Promise<Iterable<string>> {
  const held = await work.tx.executions.outlinesByNode(nodeId);
  return new Set(
    held.filter(({ phase }) => !joined || phase === 'unknown').map(({ jobId }) => jobId),
  );
}
