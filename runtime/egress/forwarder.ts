/**
 * Main program of `__forward`: runs inside the network namespace of an execution (`nsenter -n`, so the file system is the
 * host's), listens on its loopback and hands every byte over a unix socket to the proxy in the node. It decides nothing.
 * It ends when its stdin does, which the node holds open, so none outlives the node.
 */
import { readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import process from 'node:process';

/** What the forwarder prints when it listens. */
export const READY = 'ready';

/** At most so many connections at once; the proxy's own limit counts what happens on them. */
const MAX_CONNECTIONS = 1024;

/** What the process inside a network namespace is told. */
export interface ForwarderArguments {
  /** Path of the proxy's unix socket. */
  readonly socket: string;
  /** On 127.0.0.1 inside. */
  readonly port: number;
  /**
   * The namespace as `readlink /proc/<pid>/ns/net` gives it: the id of the process by which it was entered may have gone
   * to another one meanwhile.
   */
  readonly namespace: string;
}

/** The sub-command and its arguments, to be appended to what starts this program. */
export function forwarderCommand({ socket, port, namespace }: ForwarderArguments): string[] {
  return ['__forward', socket, String(port), namespace];
}

/** Resolves when stdin has ended. Prints {@link READY} when it listens; otherwise the reason, and exit code 1. */
export async function runForwarder(args: readonly string[]): Promise<void> {
  const [socket = '', port = '', namespace = ''] = args;
  const inside = namespace === '' ? '' : readlinkSync('/proc/self/ns/net');
  if (inside !== namespace) return fail(`the namespace is ${inside}, not ${namespace}`);
  try {
    await listen(Number(port), socket);
  } catch (error) {
    return fail((error as Error).message);
  }
  process.stdout.write(`${READY}\n`);
  await new Promise<void>((resolve) => process.stdin.on('end', resolve).on('error', resolve).resume());
  process.exit(0);
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

function listen(port: number, path: string): Promise<void> {
  let open = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (open >= MAX_CONNECTIONS) return void client.destroy();
    open++;
    const proxy = connect({ path, allowHalfOpen: true });
    const end = () => {
      client.destroy();
      proxy.destroy();
    };
    client.on('error', end).on('close', () => {
      open--;
      proxy.destroy();
    });
    proxy.on('error', end).on('close', () => client.destroy());
    client.pipe(proxy);
    proxy.pipe(client);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, () => resolve());
  });
}
