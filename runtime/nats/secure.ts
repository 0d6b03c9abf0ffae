/**
 * TLS of one connection (wire-protocol.md 2.4). What the client does is known from its first byte: 22 opens a TLS handshake,
 * anything else is plain NATS. That byte is looked at and put back before the socket is wrapped.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { NatsTlsOptions } from './options.ts';
import { realWorld } from '../world.ts';

const TLS_HANDSHAKE = 22;
/** How long `handshakeFirst: 'auto'` waits for the client to speak before it gets INFO. The same as nats-server's. */
const AUTO_WAIT_MS = 50;

export interface TlsPolicy {
  /** Null when only a proxy in front of us speaks TLS. */
  readonly context: tls.SecureContext | null;
  readonly handshakeFirst: boolean | 'auto';
  readonly required: boolean;
}

/** @throws Error of node:tls when certificate and key are not PEM or do not fit */
export function tlsPolicy(options: NatsTlsOptions): TlsPolicy {
  const { cert, key, handshakeFirst = false, allowPlain = false } = options;
  if (cert === undefined || key === undefined) {
    return { context: null, handshakeFirst: false, required: false };
  }
  const context = tls.createSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  return { context, handshakeFirst, required: !allowPlain };
}

/**
 * Sends INFO at the right moment and settles whether the client speaks TLS. Resolves with the stream to read from, or
 * with null when the client speaks plainly though TLS is required. Never settles when the socket closes before.
 */
export async function negotiate(
  socket: Socket,
  policy: TlsPolicy,
  sendInfo: (to: Duplex) => void,
): Promise<Duplex | null> {
  const { context, handshakeFirst } = policy;
  if (context === null) {
    sendInfo(socket);
    return socket;
  }
  let informed = false;
  const inform = (to: Duplex) => {
    if (!informed) sendInfo(to);
    informed = true;
  };
  if (handshakeFirst === false) inform(socket);
  const timer = handshakeFirst === 'auto' ? realWorld.after(AUTO_WAIT_MS, () => inform(socket)) : undefined;
  const first = await firstByte(socket);
  timer?.[Symbol.dispose]();
  if (first !== TLS_HANDSHAKE) {
    if (policy.required) return null;
    inform(socket);
    return socket;
  }
  const secured = new tls.TLSSocket(socket, { isServer: true, secureContext: context });
  await handshake(secured, socket);
  inform(secured);
  return secured;
}

function firstByte(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      resolve(chunk[0]!);
    });
  });
}

/** @throws Error of node:tls when the handshake fails */
function handshake(secured: tls.TLSSocket, socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    secured.once('secure', resolve);
    // Stays for good: a failed handshake can report more than one error.
    secured.on('error', reject);
    socket.once('close', () => reject(new Error('the client left during the TLS handshake')));
  });
}
