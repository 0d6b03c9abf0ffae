/** Whether a TCP port of this host can be had: found out by binding it for a moment. */
import { createServer } from 'node:net';

/**
 * @param address of this host; '' = all
 * @returns null when it is free, else why it cannot be had, as the system says it (`EADDRINUSE`, `EADDRNOTAVAIL` for an
 *   address that is not of this host, `EACCES`)
 */
export function bindFailure(port: number, address: string): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const server = createServer();
  server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
    // What the system calls EADDRNOTAVAIL, Deno's node:net calls EINVAL.
    resolve(code === 'EINVAL' ? 'EADDRNOTAVAIL' : code ?? message);
  });
  server.listen(
    { port, host: address || '0.0.0.0', exclusive: true },
    () => server.close(() => resolve(null)),
  );
  return promise;
}
