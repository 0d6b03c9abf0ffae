/** Sessions of nodes as this process knows them: what changes with each heartbeat is kept here and written in batches. */
import type { Resources } from '../../model/mod.ts';
import type { Heartbeat, SessionRow } from '../../store/mod.ts';
import type { InventoryEntry } from '../messages/inventory.ts';

/** A node that has, or had, a session which is not yet known to be silent. */
export interface LiveSession {
  readonly nodeId: string;
  readonly epoch: number;
  /** Which start of which installation it is, see {@link incarnationOf}. */
  readonly incarnation: string;
  readonly extended: boolean;
  /** False when its plane is down and a new handshake is awaited. */
  connected: boolean;
  /** Its silence has been noticed and is being written. */
  silent: boolean;
  /** Nanoseconds, by the wall clock. */
  lastHeard: bigint;
  /** Highest sequence number of the node that has been processed. */
  reportedSeq: bigint;
  available: Resources;
  queued: Resources;
  /** Parts of the inventory so far; null once it has been settled. */
  inventory: InventoryEntry[] | null;
  /** Executions of a foreign node whose cancel was acknowledged: stopped at its next heartbeat. */
  readonly cancelled: Set<string>;
}

/** Of a stored session. */
export function liveSession(
  { nodeId, epoch, incarnation, reportedSeq, available, queued }: SessionRow,
  rest: Pick<LiveSession, 'extended' | 'connected' | 'lastHeard' | 'inventory'>,
): LiveSession {
  const stored = { nodeId, epoch, incarnation, reportedSeq, available, queued };
  return { ...stored, ...rest, silent: false, cancelled: new Set() };
}

export class Sessions {
  readonly #byNode = new Map<string, LiveSession>();
  readonly #dirty = new Set<string>();

  get(nodeId: string): LiveSession | undefined {
    return this.#byNode.get(nodeId);
  }

  /** Only if it is still that session. */
  current(nodeId: string, epoch: number): LiveSession | undefined {
    const session = this.#byNode.get(nodeId);
    return session?.epoch === epoch ? session : undefined;
  }

  put(session: LiveSession): void {
    this.#byNode.set(session.nodeId, session);
    this.#dirty.delete(session.nodeId);
  }

  delete(nodeId: string): void {
    this.#byNode.delete(nodeId);
    this.#dirty.delete(nodeId);
  }

  heard(session: LiveSession, now: bigint, available: Resources, queued: Resources): void {
    Object.assign(session, { lastHeard: now, available, queued });
    this.#dirty.add(session.nodeId);
  }

  all(): IterableIterator<LiveSession> {
    return this.#byNode.values();
  }

  /** Heartbeats since the last call. */
  takeHeartbeats(): Heartbeat[] {
    const batch: Heartbeat[] = [];
    for (const nodeId of this.#dirty) {
      const session = this.#byNode.get(nodeId);
      if (!session?.connected) continue;
      const { epoch, lastHeard: time, available, queued } = session;
      batch.push({ nodeId, epoch, time, available, queued });
    }
    this.#dirty.clear();
    return batch;
  }
}
