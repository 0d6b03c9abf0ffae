/**
 * What goes over the simulated wire, decoded: each acknowledgement of a data message is compared with what its sender has
 * committed (S8), and everything is kept so that it can be said again (S7).
 */
import type { BusMessage } from '../../mod/transport/bus/bus.ts';
import { decodeMessage } from '../../mod/transport/mod.ts';
import type { Committed } from './committed.ts';
import { isData, ORCHESTRATOR } from './network.ts';
import { Violation } from './violation.ts';
import { COMPUTE_ENDED, EXECUTING, LIVE } from './tables.ts';

/** First byte of an envelope; acknowledgements are plain JSON. */
const ENVELOPE = 1;

interface Sent {
  readonly message: BusMessage;
  readonly node: string;
  readonly type: string;
  readonly executionId: string;
  readonly revision: number;
  readonly round: string;
  readonly seq: bigint;
}

/** One sender's numbers on their way since it last began anew; earlier ones are superseded. */
interface Round {
  /** Of its replies. */
  readonly name: string;
  readonly open: Map<bigint, Sent>;
}

export class Wire {
  /** Number of data messages so far. */
  count = 0;
  /** Those that were acknowledged, each once. */
  readonly taken = new Set<BusMessage>();
  readonly #sent = new Map<string, Sent>();
  /** Numbers of each sender that were acknowledged at least once. */
  readonly #once = new Set<string>();
  readonly #rounds = new Map<string, Round>();
  trace: (what: string) => void = () => undefined;
  /** Messages that are said again on purpose are no one's turn. */
  replaying = false;

  /** The orchestrator acknowledges what a node sent with this reply subject. */
  onTaken: (reply: string) => void = () => undefined;
  /** The orchestrator answers that it has heard a node. */
  onHeard: (node: string) => void = () => undefined;
  /** Whether the node has held the execution; its row may be gone by now. */
  hasHeld: (node: string, executionId: string) => boolean = () => false;

  constructor(readonly orchestrator: Committed, readonly nodes: ReadonlyMap<string, Committed>) {}

  /** Whether the effect of the message with this reply subject is stored. */
  isDone(reply: string): boolean {
    const sent = this.#sent.get(reply);
    return sent === undefined || this.#isDone(sent);
  }

  onSend(from: string, to: string, message: BusMessage): void {
    if (isData(message.subject)) return this.#onData(from, to, message);
    const sent = this.#sent.get(message.subject);
    if (message.status !== undefined) return;
    if (!sent) return this.#onControl(from, to, message);
    const text = new TextDecoder().decode(message.data);
    this.trace(`${from} → ${to} ack ${sent.seq} ${sent.type} ${sent.executionId} ${text}`);
    if (text !== '{}') return;
    if (from === ORCHESTRATOR) this.onTaken(message.subject);
    this.#onAck(sent);
  }

  #onData(from: string, to: string, message: BusMessage): void {
    const { type, payload, metadata } = decodeMessage(message.data);
    const fields = payload as { ExecutionID?: string; Execution?: { ID: string }; Revision?: bigint };
    const [round, seq] = splitLast(message.reply, '-');
    const sent: Sent = {
      message,
      node: message.subject.split('.')[3]!,
      type,
      executionId: fields.ExecutionID ?? fields.Execution?.ID ?? '',
      revision: Number(fields.Revision ?? 0n),
      round,
      seq: BigInt(seq),
    };
    this.trace(`${from} → ${to} ${metadata['Bacalhau-SeqNum']} ${type} ${sent.executionId}`);
    if (this.replaying) return;
    this.count++;
    this.#sent.set(message.reply, sent);
    let current = this.#rounds.get(message.subject);
    if (current?.name !== round) {
      this.#rounds.set(message.subject, current = { name: round, open: new Map() });
    }
    current.open.set(sent.seq, sent);
  }

  #onControl(from: string, to: string, { subject, data }: BusMessage): void {
    if (from !== ORCHESTRATOR || !subject.startsWith('_INBOX.') || data[0] !== ENVELOPE) return;
    const { type, payload } = decodeMessage(data);
    const heard = type === 'transport.HandshakeResponse'
      ? payload.accepted
      : type === 'transport.HeartbeatResponse';
    if (heard) this.onHeard(to);
  }

  #onAck(sent: Sent): void {
    if (!this.#isDone(sent)) {
      throw new Violation(
        'S8',
        `${sent.type} of ${sent.executionId} is acknowledged before its effect is stored`,
      );
    }
    if (this.replaying) return;
    this.taken.add(sent.message);
    this.#once.add(nameOf(sent));
    const round = this.#rounds.get(sent.message.subject)!;
    if (round.name !== sent.round) return;
    for (const earlier of round.open.values()) {
      // One whose acknowledgement in an earlier round got lost has had its effect; it may be worded anew by now.
      if (earlier.seq < sent.seq && !this.#isDone(earlier) && !this.#once.has(nameOf(earlier))) {
        throw new Violation(
          'S8',
          `message ${sent.seq} (${sent.type}) is acknowledged, and ${earlier.seq} is not done`,
        );
      }
    }
    round.open.delete(sent.seq);
  }

  #isDone({ node, type, executionId, revision }: Sent): boolean {
    const atNode = () =>
      this.nodes.get(node)!.rows<{ phase: string; desired: number; confirmed_at: number }>(
        'select phase, desired, cast(confirmed_at / 1000 as int) as confirmed_at from executions where id = ?',
        executionId,
      )[0];
    const atOrchestrator = () =>
      this.orchestrator.rows<{ phase: string; node_rev: number; node_id: string }>(
        'select phase, node_rev, node_id from executions where id = ?',
        executionId,
      )[0];
    switch (type) {
      case 'AskForBid':
        return atNode() !== undefined || this.hasHeld(node, executionId);
      case 'BidAccepted': {
        const row = atNode();
        return !row || row.desired === 1 || COMPUTE_ENDED.has(row.phase) || row.phase === 'cancelling';
      }
      case 'BidRejected': {
        const row = atNode();
        return !row || !['received', 'offered'].includes(row.phase);
      }
      case 'CancelExecution': {
        const row = atNode();
        return !row || row.phase === 'cancelling' || row.phase === 'cancelled' || row.confirmed_at > 0;
      }
      case 'BidResult':
        return atOrchestrator()?.phase !== 'asked';
      case 'RunResult':
        return !EXECUTING.has(atOrchestrator()?.phase ?? '');
      case 'ComputeError':
        return !LIVE.has(atOrchestrator()?.phase ?? '');
      case 'ExecutionStatus': {
        const row = atOrchestrator();
        return !row || !EXECUTING.has(row.phase) || row.node_rev >= revision;
      }
      default:
        return true;
    }
  }
}

function nameOf({ round, seq }: Sent): string {
  return `${splitLast(round, '.')[0]} ${seq}`;
}

function splitLast(text: string, separator: string): [string, string] {
  const at = text.lastIndexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}
