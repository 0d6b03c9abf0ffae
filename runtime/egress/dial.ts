/** A TCP connection to the first of some addresses that answers. */
import { connect, type Socket } from 'node:net';
import { realWorld } from '../world.ts';

export interface Dialled {
  readonly socket: Socket;
  readonly address: string;
}

/**
 * @param timeoutMs for all addresses together
 * @param signal ends the attempt
 * @throws Error of the last address tried; `code` ETIMEDOUT when time was up; the signal's reason
 */
export async function dial(
  addresses: readonly string[],
  port: number,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Dialled> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (const [index, address] of addresses.entries()) {
    // A silent address leaves its successors their share of the time.
    const left = (deadline - performance.now()) / (addresses.length - index);
    try {
      return { socket: await connectTo(address, port, Math.max(left, 1), signal), address };
    } catch (error) {
      signal?.throwIfAborted();
      last = error;
    }
  }
  throw last;
}

function connectTo(
  address: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    const timer = realWorld.after(timeoutMs, () => {
      socket.destroy(Object.assign(new Error(`no answer from ${address}`), { code: 'ETIMEDOUT' }));
    });
    const aborted = () => socket.destroy(signal!.reason);
    const settled = () => {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', aborted);
    };
    const failed = (error: Error) => {
      settled();
      reject(error);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    socket.once('error', failed);
    socket.once('connect', () => {
      settled();
      socket.off('error', failed);
      resolve(socket);
    });
  });
}
