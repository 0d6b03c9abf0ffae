/** HTTP on ports 80 and 8080 and HTTPS on 443 of every address; prints what it is asked. Ends with its stdin. */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { Server } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Program and arguments that run this file with the interpreter at hand. */
export function selfServer(folder: string): string[] {
  return [process.execPath, 'run', '-A', '--quiet', fileURLToPath(import.meta.url), folder];
}

const answer: RequestListener = (request, response) => {
  const { localAddress, localPort } = request.socket;
  const { host, 'x-bacalhau-job-id': job = '-' } = request.headers;
  process.stdout.write(`${localAddress}:${localPort} ${request.method} ${request.url} ${host} ${job}\n`);
  const to = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
  if (to) response.writeHead(302, { Location: to });
  response.end(`hello from ${localAddress}:${localPort}\n`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2]!;
  const secure = { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
  const servers: [Server, number][] = [
    [createServer(answer), 80],
    [createServer(answer), 8080],
    [createSecure(secure, answer), 443],
  ];
  for (const [server, port] of servers) {
    await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve));
  }
  process.stdout.write('ready\n');
  process.stdin.on('end', () => process.exit(0)).resume();
}
