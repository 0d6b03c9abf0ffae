/**
 * HTTP on ports 80 and 8080 and HTTPS on 443 of every address, bytes on 22, and a name server; prints what it is asked.
 * Ends with its stdin.
 */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { createServer as createTcp, type Server } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type Names, serveDns } from './outside_dns.ts';

/** Program and arguments that run this file with the interpreter at hand. */
export function selfServer(folder: string, dnsAddress: string, names: Names): string[] {
  const file = fileURLToPath(import.meta.url);
  return [process.execPath, 'run', '-A', '--quiet', file, folder, dnsAddress, JSON.stringify(names)];
}

const answer: RequestListener = (request, response) => {
  const { localPort } = request.socket;
  const localAddress = request.socket.localAddress?.replace(/^::ffff:/, '');
  const { host, 'x-bacalhau-job-id': job = '-' } = request.headers;
  process.stdout.write(`${localAddress}:${localPort} ${request.method} ${request.url} ${host} ${job}\n`);
  const query = new URL(request.url ?? '/', 'http://x').searchParams;
  const to = query.get('to');
  if (to) response.writeHead(302, { Location: to });
  response.end(`hello from ${localAddress}:${localPort}\n${'x'.repeat(Number(query.get('bytes') ?? 0))}`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = '', dnsAddress = '', names = '{}'] = process.argv.slice(2);
  const secure = { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) };
  const servers: [Server, number][] = [
    [createServer(answer), 80],
    [createServer(answer), 8080],
    [createSecure(secure, answer), 443],
    [createTcp((socket) => void socket.end(`hello from ${socket.localAddress}:22\n`)), 22],
  ];
  for (const [server, port] of servers) {
    server.on('upgrade', (request, socket) => {
      process.stdout.write(`UPGRADE ${request.url}\n`);
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(port, '::', resolve));
  }
  await serveDns(dnsAddress, JSON.parse(names), (question) => process.stdout.write(`DNS ${question}\n`));
  process.stdout.write('ready\n');
  process.stdin.on('end', () => process.exit(0)).resume();
}
