/**
 * Messages in envelopes: the registered types (wire-protocol.md 4.8), their payloads' keys in wire order, and the
 * metadata that goes with each.
 */
import {
  BacalhauError,
  codec,
  eventCodec,
  executionCodec,
  flag,
  int,
  int64,
  list,
  mapOf,
  nodeInfoCodec,
  nullable,
  omitAbsent,
  omitEmpty,
  required,
  resourcesCodec,
  runOutputCodec,
  specConfigCodec,
  struct,
  text,
  uint,
  uint64,
} from '../../model/mod.ts';
import type { Codec, Event, Fields, JobType, Shape, StructOf } from '../../model/mod.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import type { Metadata } from './envelope.ts';
import { checkIds } from './ids.ts';
import type {
  ExecutionStatus,
  HandshakeRequest,
  HandshakeResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  InMessages,
  OutMessages,
  ShutdownNoticeRequest,
  ShutdownNoticeResponse,
  UpdateNodeInfoRequest,
  UpdateNodeInfoResponse,
} from './messages.ts';

/** The original's structured error as an answer (wire-protocol.md 5.3); all keys are always there. */
export interface BacError {
  readonly Cause: string;
  readonly Hint: string;
  readonly Retryable: boolean;
  readonly FailsExecution: boolean;
  readonly Component: string;
  readonly HTTPStatusCode: number;
  readonly Details: Readonly<Record<string, string>> | null;
  readonly Code: string;
}

/** Asks for a URL to put a result to (wire-protocol.md section 9). */
export interface PreSignURLRequest {
  readonly Events: readonly Event[] | null;
  readonly ExecutionID: string;
  readonly JobID: string;
}

/** Every registered type with its payload. */
export interface Payloads extends InMessages, OutMessages {
  'transport.HandshakeRequest': HandshakeRequest;
  'transport.HandshakeResponse': HandshakeResponse;
  'transport.HeartbeatRequest': HeartbeatRequest;
  'transport.HeartbeatResponse': HeartbeatResponse;
  'transport.UpdateNodeInfoRequest': UpdateNodeInfoRequest;
  'transport.UpdateNodeInfoResponse': UpdateNodeInfoResponse;
  'transport.ShutdownNoticeRequest': ShutdownNoticeRequest;
  'transport.ShutdownNoticeResponse': ShutdownNoticeResponse;
  'managedPublisher.PreSignURLRequest': PreSignURLRequest;
  BacError: BacError;
}
/** Names of all messages. */
export type MessageType = keyof Payloads;

const texts = list(text, 'zero');
const events = required(nullable(list(eventCodec.shape, 'refuse')));
/** Unknown texts are kept: a newer peer may know more. */
const open = <T extends string>(): Shape<T> => text as unknown as Shape<T>;
const report = {
  ExecutionID: required(text),
  JobID: required(text),
  JobType: required(open<JobType>()),
  Events: events,
};

const remains = {
  PublishResult: omitAbsent(nullable(specConfigCodec.shape)),
  RunCommandResult: omitAbsent(nullable(runOutputCodec.shape)),
};

const CODECS: { readonly [T in MessageType]: Codec<Payloads[T]> } = {
  AskForBid: define('AskForBid', { Events: events, Execution: required(executionCodec.shape) }),
  BidAccepted: define('BidAccepted', {
    Events: events,
    ExecutionID: required(text),
    Accepted: required(flag),
  }),
  BidRejected: define('BidRejected', { Events: events, ExecutionID: required(text) }),
  CancelExecution: define('CancelExecution', {
    Events: events,
    ExecutionID: required(text),
  }),
  BidResult: define('BidResult', { ...report, Accepted: required(flag) }),
  RunResult: define('RunResult', {
    ...report,
    PublishResult: required(nullable(specConfigCodec.shape)),
    RunCommandResult: required(nullable(runOutputCodec.shape)),
  }),
  ComputeError: define('ComputeError', { ...report, ...remains }),
  ExecutionStatus: define('ExecutionStatus', {
    ...report,
    Phase: required(open<ExecutionStatus['Phase']>()),
    Revision: required(int64),
    ...remains,
  }),
  ExecutionInventory: define('ExecutionInventory', {
    Epoch: omitEmpty(uint),
    More: omitEmpty(flag),
    Executions: required(
      list(
        struct('InventoryEntry', {
          ExecutionID: required(text),
          JobID: required(text),
          Phase: required(text),
          Revision: required(int64),
        }),
        'refuse',
      ),
    ),
  }),
  'transport.HandshakeRequest': define('HandshakeRequest', {
    NodeInfo: required(nodeInfoCodec.shape),
    StartTime: omitAbsent(text),
    LastOrchestratorSeqNum: required(uint64),
    Extensions: omitEmpty(texts),
    InstallID: omitEmpty(text),
    BootID: omitEmpty(text),
  }),
  'transport.HandshakeResponse': define('HandshakeResponse', {
    accepted: required(flag),
    reason: omitEmpty(text),
    LastComputeSeqNum: required(uint64),
    LastOrchestratorSeqNum: required(uint64),
    Extensions: omitEmpty(texts),
    StoreID: omitEmpty(text),
    Epoch: omitEmpty(uint),
  }),
  'transport.HeartbeatRequest': define('HeartbeatRequest', {
    NodeID: required(text),
    AvailableCapacity: required(resourcesCodec.shape),
    QueueUsedCapacity: required(resourcesCodec.shape),
    LastOrchestratorSeqNum: required(uint64),
  }),
  'transport.HeartbeatResponse': define('HeartbeatResponse', {
    LastComputeSeqNum: required(uint64),
  }),
  'transport.UpdateNodeInfoRequest': define('UpdateNodeInfoRequest', {
    NodeInfo: required(nodeInfoCodec.shape),
  }),
  'transport.UpdateNodeInfoResponse': define('UpdateNodeInfoResponse', {
    accepted: required(flag),
    reason: omitEmpty(text),
  }),
  'transport.ShutdownNoticeRequest': define('ShutdownNoticeRequest', {
    NodeID: required(text),
    Reason: omitEmpty(text),
    LastOrchestratorSeqNum: required(uint64),
  }),
  'transport.ShutdownNoticeResponse': define('ShutdownNoticeResponse', {
    LastComputeSeqNum: required(uint64),
  }),
  'managedPublisher.PreSignURLRequest': define('PreSignURLRequest', {
    Events: events,
    ExecutionID: required(text),
    JobID: required(text),
  }),
  BacError: define('BacError', {
    Cause: required(text),
    Hint: required(text),
    Retryable: required(flag),
    FailsExecution: required(flag),
    Component: required(text),
    HTTPStatusCode: required(int),
    Details: required(nullable(mapOf(text))),
    Code: required(text),
  }),
};

function define<F extends Fields>(name: string, fields: F): Codec<StructOf<F>> {
  return codec(name, struct(name, fields));
}

/** A decoded envelope whose type is registered. */
export type Decoded = {
  readonly [T in MessageType]: {
    readonly type: T;
    readonly payload: Payloads[T];
    readonly metadata: Metadata;
  };
}[MessageType];

/** An intact envelope whose type nobody here knows; receivers of data messages acknowledge it and go on. */
export class UnknownMessageType extends BacalhauError {
  constructor(readonly type: string) {
    super('', `unsupported message type: ${type}`);
  }
}

/**
 * The un-prefixed legacy keys count only where the prefixed ones are missing.
 * @throws BacalhauError with an empty code and the original's text; {@link UnknownMessageType}
 */
export function decodeMessage(data: Uint8Array): Decoded {
  const { metadata, payload } = decodeEnvelope(data);
  const encoding = metadata['Bacalhau-PayloadEncoding'] ?? metadata.PayloadEncoding ?? '';
  if (encoding !== 'json') throw new BacalhauError('', `unsupported encoding: ${encoding}`);
  const type = metadata['Bacalhau-Type'] ?? metadata.Type ?? '';
  if (!Object.hasOwn(CODECS, type)) throw new UnknownMessageType(type);
  if (payload === undefined) {
    throw new BacalhauError('', 'failed to deserialize with encoding json: unexpected end of JSON input');
  }
  try {
    const decoded = CODECS[type as MessageType].decode(payload ?? {});
    checkIds(decoded);
    return { type, payload: decoded, metadata } as Decoded;
  } catch (error) {
    const text = `failed to deserialize with encoding json: ${(error as Error).message}`;
    throw new BacalhauError('', text, { cause: error });
  }
}

/** The sender's position of a data message; 0 when the peer sent none or no number. */
export function sequenceOf(metadata: Metadata, key: string = 'Bacalhau-SeqNum'): bigint {
  const text = metadata[key] ?? '';
  return /^[0-9]{1,20}$/.test(text) ? BigInt(text) : 0n;
}

/** A message as it goes out. */
export interface Encoded {
  readonly data: Uint8Array;
  /** All metadata once more as headers, as the original sends them; receivers need none of it. */
  readonly headers: Metadata;
}

/**
 * @param source `Bacalhau-Source`: a node id, `orchestrator-control`, `orchestrator-<node id>`
 * @param time nanoseconds since the epoch
 * @param extra further metadata: sequence number, subject, error code …
 */
export function encodeMessage<T extends MessageType>(
  type: T,
  payload: Payloads[T],
  source: string,
  time: bigint,
  extra: Metadata = {},
): Encoded {
  const headers: Metadata = {
    'Bacalhau-EventTime': time.toString(),
    'Bacalhau-PayloadEncoding': 'json',
    'Bacalhau-Source': source,
    'Bacalhau-Type': type,
    PayloadEncoding: 'json',
    Type: type,
    ...extra,
  };
  return { data: encodeEnvelope(headers, CODECS[type].encode(payload)), headers };
}
