/** A proxy under one of the runtimes, and servers on the loopback for it; all ends with {@link endRigs}. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { DecisionEntry, ProxyLimits } from '../../../../runtime/egress/mod.ts';
import { ROOT } from '../../../support/program.ts';
import type { ProxyScript } from './proxy_script.ts';
import { raw } from './raw.ts';

export const RUNTIMES = {
  deno: [process.execPath, 'run', '-A', '--quiet'],
  bun: [join(ROOT, 'node_modules/bun/bin/bun.exe'), 'run'],
} as const;

const SCRIPT = join(import.meta.dirname!, 'proxy_script.ts');
const cleanups: (() => unknown)[] = [];

/** To be called after each test. */
export async function endRigs(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** A server that remembers what it was asked. */
export async function upstream(answer?: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    seen.push({ method: request.method!, url: request.url!, headers: request.rawHeaders, body });
    if (answer) answer(request, response);
    else response.end('hello from upstream');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

/** A server of bytes. */
export async function rawUpstream(serve: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>();
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** @param names to addresses; a list of lists is one answer after the other */
export async function startProxy(
  runtime: keyof typeof RUNTIMES,
  domains: readonly string[],
  names: Readonly<Record<string, readonly string[] | readonly (readonly string[])[]>> = {},
  limits: Partial<ProxyLimits> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'egress-'));
  const logPath = join(folder, 'decisions');
  const script: ProxyScript = {
    domains,
    names: Object.fromEntries(
      Object.entries(names).map(([name, found]) => [
        name,
        typeof found[0] === 'object' ? found as readonly string[][] : [found as readonly string[]],
      ]),
    ),
    limits,
    logPath,
  };
  const [program, ...args] = RUNTIMES[runtime];
  const child = spawn(program, [...args, SCRIPT, JSON.stringify(script)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = once(child, 'close');
  const close = async () => {
    child.stdin.end();
    await gone;
  };
  cleanups.push(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });
  const [port] = await once(child.stdout, 'data');
  const at = { host: '127.0.0.1', port: Number(port) };
  return {
    close,
    /** A tunnel that stays open, and what was answered. */
    async tunnel(target: string) {
      const socket = connect(at).on('error', () => socket.destroy());
      socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const [said] = await once(socket, 'data');
      cleanups.push(() => socket.destroy());
      return { socket, said: String(said) };
    },
    ask: (text: string | readonly string[], half = false) => raw(at, text, half),
    /** For what may be taken for the beginning of something longer. */
    askBriefly: (text: string) => raw(at, text, false, 500),
    get: (url: string) => raw(at, `GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    log: () =>
      (existsSync(logPath) ? readFileSync(logPath, 'utf8') : '').split('\n').filter((line) => line !== '')
        .map((line) => JSON.parse(line) as DecisionEntry),
  };
}
