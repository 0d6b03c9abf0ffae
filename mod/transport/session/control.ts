/** Requests of a node to the orchestrator: an envelope there, an envelope back, errors as errors. */
import { BacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { Bus } from '../bus/bus.ts';
import { decodeMessage, encodeMessage } from '../wire/codec.ts';
import type { MessageType, Payloads } from '../wire/codec.ts';
import { decodeError } from '../wire/replies.ts';
import { controlSubject } from '../wire/subjects.ts';

const ANSWERS = {
  'transport.HandshakeRequest': 'transport.HandshakeResponse',
  'transport.HeartbeatRequest': 'transport.HeartbeatResponse',
  'transport.UpdateNodeInfoRequest': 'transport.UpdateNodeInfoResponse',
  'transport.ShutdownNoticeRequest': 'transport.ShutdownNoticeResponse',
} as const satisfies Partial<Record<MessageType, MessageType>>;
export type ControlRequest = keyof typeof ANSWERS;

/** @throws BacalhauError the orchestrator's own (`HandshakeRequired` …), or that of the bus */
export async function controlRequest<T extends ControlRequest>(
  to: { readonly bus: Bus; readonly world: World; readonly nodeId: string; readonly timeoutMs: number },
  type: T,
  payload: Payloads[T],
  signal?: AbortSignal,
): Promise<Payloads[(typeof ANSWERS)[T]]> {
  const { data, headers } = encodeMessage(type, payload, to.nodeId, to.world.now());
  const answer = decodeMessage(
    (await to.bus.request(controlSubject(to.nodeId), data, {
      timeoutMs: to.timeoutMs,
      headers,
      ...(signal === undefined ? {} : { signal }),
    })).data,
  );
  if (answer.type === 'BacError') throw decodeError(answer.payload);
  if (answer.type !== ANSWERS[type]) {
    throw new BacalhauError('InternalError', `Cannot use the answer to "${type}": it is a "${answer.type}"`);
  }
  return answer.payload as Payloads[(typeof ANSWERS)[T]];
}
