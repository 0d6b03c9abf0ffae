/** A TCP connection to the first of some addresses that answers. */
import { connect, type Socket } from 'node:net';

export interface Dialled {
  readonly socket: Socket;
  readonly address: string;
}

/**
 * @param timeoutMs for all addresses together
 * @throws Error of the last address tried; `code` ETIMEDOUT when time was up
 */
export async function dial(
  addresses: readonly string[],
  port: number,
  timeoutMs: number,
): Promise<Dialled> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (const [index, address] of addresses.entries()) {
    // A silent address leaves its successors their share of the time.
    const left = (deadline - performance.now()) / (addresses.length - index);
    try {
      return { socket: await connectTo(address, port, Math.max(left, 1)), address };
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function connectTo(address: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error(`no answer from ${address}`), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    const failed = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}
