/**
 * Nodes and their sessions: answers control requests, notices silence, and passes reports on. A silent node's work is
 * unknown before it is lost (design.md promise 4); silence counts only while this process could hear (invariants.md
 * section 0, row 17).
 */
import { BacalhauError, type Compatibility, toBacalhauError } from '../../model/mod.ts';
import type { SchedulePolicy } from '../../schedule/mod.ts';
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
import { stringifyJson } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { NodeOutbox } from '../messages/node_outbox.ts';
import type { OrchestratorSettings } from '../options.ts';
import type { Desk } from '../work/desk.ts';
import type { Work } from '../work/work.ts';
import { startClocks } from './foreign_clock.ts';
import { handshake } from './handshake.ts';
import { Inbox } from './inbox.ts';
import { SilenceWatch } from './silence.ts';
import { type LiveSession, Sessions } from './sessions.ts';

const NANOS_PER_MILLI = 1_000_000n;

export interface NodeManagerOptions {
  readonly desk: Desk;
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
  #closed = false;

  constructor(options: NodeManagerOptions) {
    this.#options = options;
    const { desk, world, settings, policy, compatibility } = options;
    this.#inbox = new Inbox({ desk, sessions: this.sessions, policy, compatibility });
    this.#silence = new SilenceWatch(world, settings, this.sessions, (silent) => {
      for (const session of silent) this.#detached(() => this.#gone(session, 'unknown', 'heartbeat timeout'));
    });
  }

  /** Sessions of an earlier run of the process are suspect until their nodes say hello; silence counts anew. */
  async start(): Promise<void> {
    const { desk, world } = this.#options;
    const now = world.now();
    const suspects = await desk.store.write(async (tx) => {
      const views = (await tx.nodes.list()).filter(({ session }) =>
        session?.status === 'connected' || session?.status === 'suspect'
      );
      for (const { session } of views) {
        await tx.nodes.updateSession(session!.nodeId, session!.epoch, { status: 'suspect' });
      }
      return views;
    });
    for (const { node, session } of suspects) {
      this.sessions.put({
        nodeId: node.id,
        epoch: session!.epoch,
        installId: node.installId,
        extended: node.extensions.includes(EXTENSION),
        connected: false,
        silent: false,
        lastHeard: now,
        reportedSeq: session!.reportedSeq,
        available: session!.available,
        queued: session!.queued,
        inventory: null,
        cancelled: new Set(),
      });
    }
    this.#silence.arm();
  }

  attach(link: OrchestratorLink): void {
    this.#link = link;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#silence[Symbol.dispose]();
    this.#flushing?.[Symbol.dispose]();
    await this.#flushHeartbeats();
  }

  // ---- control requests

  async handshake(request: HandshakeRequest): Promise<HandshakeDecision> {
    const { desk, world, settings, owner, heartbeatMs } = this.#options;
    const nodeId = request.NodeInfo.NodeID;
    const refuse = (reason: string): HandshakeDecision => ({
      response: { accepted: false, reason, LastComputeSeqNum: 0n, LastOrchestratorSeqNum: 0n },
    });
    const older = this.sessions.get(nodeId);
    const now = world.now();
    if (older?.connected && older.installId && request.InstallID && older.installId !== request.InstallID) {
      const fresh = older.lastHeard + BigInt(Math.ceil(heartbeatMs * 2.5)) * NANOS_PER_MILLI;
      if (now < fresh) {
        return refuse(`node id "${nodeId}" is in use by another installation that is connected`);
      }
    }
    const outcome = await desk.commit(async (work) => {
      const outcome = await handshake(work, request, { manualApproval: settings.manualApproval, owner });
      if (outcome.accepted) await this.#reevaluate(work, nodeId, true);
      return outcome;
    });
    if (!outcome.accepted) return refuse(outcome.reason);
    const { session } = outcome;
    this.sessions.put({
      nodeId,
      epoch: session.epoch,
      installId: request.InstallID ?? '',
      extended: outcome.extended,
      connected: true,
      silent: false,
      lastHeard: now,
      reportedSeq: session.reportedSeq,
      available: session.available,
      queued: session.queued,
      inventory: [],
      cancelled: new Set(),
    });
    this.#silence.arm();
    return {
      session: { nodeId, epoch: session.epoch },
      response: {
        accepted: true,
        reason: outcome.reason,
        LastComputeSeqNum: session.reportedSeq,
        LastOrchestratorSeqNum: outcome.startSeq,
        StoreID: desk.store.cluster.storeId,
        Epoch: session.epoch,
      },
    };
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
    const { desk, policy } = this.#options;
    if (!extended) {
      const { QueueUsedCapacity: queued } = request;
      await desk.commit((work) => startClocks(work, nodeId, queued, lastHeard, policy.timeoutGrace));
    }
    return { LastComputeSeqNum: session.reportedSeq };
  }

  async updateNodeInfo({ NodeInfo }: UpdateNodeInfoRequest): Promise<UpdateNodeInfoResponse> {
    this.#required(NodeInfo.NodeID);
    await this.#options.desk.commit(async (work) => {
      const node = await work.tx.nodes.get(NodeInfo.NodeID);
      const infoHash = stringifyJson(NodeInfo);
      if (!node || node.infoHash === infoHash) return;
      await work.tx.nodes.update(node, { info: NodeInfo, infoHash });
      work.context.nodes.touch(node.id);
      work.capacityChanged();
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
    const outbox = new NodeOutbox(this.#options.desk, key, (ids) => {
      const session = this.sessions.current(key.nodeId, key.epoch);
      if (session && !session.extended) { for (const id of ids) session.cancelled.add(id); }
    }, (error) => this.#detached(() => Promise.reject(error)));
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
    if (!session?.connected || this.#closed) return;
    session.connected = false;
    this.#detached(async () => {
      await this.#options.desk.commit(async (work) => {
        await work.tx.nodes.updateSession(key.nodeId, key.epoch, { status: 'suspect', lastError: reason });
        work.context.nodes.touch(key.nodeId);
      });
    });
  }

  // ---- silence

  /** The node cannot be heard any more: what its work is, is up to the evaluations of its jobs. */
  async #gone(session: LiveSession, status: 'unknown' | 'closed', why: string): Promise<void> {
    const { desk } = this.#options;
    const { nodeId, epoch } = session;
    await desk.commit(async (work) => {
      const row = await work.tx.nodes.updateSession(nodeId, epoch, {
        status,
        lastError: why,
        disconnectedSince: work.tx.now,
      });
      if (!row) return;
      work.context.nodes.touch(nodeId);
      await this.#reevaluate(work, nodeId, false);
    });
    if (this.sessions.current(nodeId, epoch) !== session) return;
    this.sessions.delete(nodeId);
    if (status === 'unknown') this.#link?.drop(nodeId, why);
  }

  /** Jobs with work on the node, and those that want an execution on each node; as rows, since they may be many. */
  async #reevaluate(work: Work, nodeId: string, joined: boolean): Promise<void> {
    const trigger = joined ? 'node-join' : 'node-leave';
    const held = await work.tx.executions.heldByNode(nodeId);
    const jobs = new Set(
      held.filter(({ phase }) => !joined || phase === 'unknown').map(({ jobId }) => jobId),
    );
    if (joined) { for (const id of work.context.waiting.perNode()) jobs.add(id); }
    for (const id of jobs) {
      const job = await work.tx.jobs.get(id);
      if (job) await work.enqueue(job, trigger);
    }
  }

  /** A node of the original does not report that it stopped: a cancel it acknowledged and a later heartbeat tell it. */
  async #confirmCancelled(session: LiveSession): Promise<void> {
    const ids = [...session.cancelled];
    session.cancelled.clear();
    await this.#options.desk.commit(async (work) => {
      for (const id of ids) {
        const row = await work.tx.executions.get(id);
        if (row?.phase !== 'stopping') continue;
        const unit = (await work.unit(row.jobId))!;
        await unit.change(row, { phase: 'stopped', stopConfirmed: true });
        work.evaluate(row.jobId, 'exec-update');
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
    if (batch.length > 0) await this.#options.desk.store.write((tx) => tx.nodes.heartbeats(batch));
  }

  /** Work that nobody waits for. */
  #detached(operation: () => Promise<void>): void {
    operation().catch((thrown) => {
      const error = toBacalhauError(thrown);
      if (!this.#closed) this.#options.onError(error);
    });
  }
}
