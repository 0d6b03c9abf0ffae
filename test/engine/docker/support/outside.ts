/**
 * "The Internet" of a test: a network namespace behind a veth pair, with public, private and link-local addresses in it
 * and HTTP(S) servers on all of them. Everything goes away with the namespace.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { processAlive } from '../../../../runtime/process.ts';
import type { Names } from './outside_dns.ts';
import { selfServer } from './outside_server.ts';
import { until } from '../../../support/until.ts';

/** Addresses of the outside; the host has routes to them while it exists. */
export const ALLOWED = '93.184.216.34';
export const EVIL = '93.184.216.35';
export const PRIVATE = '10.93.184.5';
export const ALLOWED6 = '2a00:5db8::34';
export const PRIVATE6 = 'fd93:184::5';
export const METADATA = '169.254.169.254';
/** The host's own end. */
export const HOST = '10.93.184.1';
const HOST6 = 'fd93:184::1';

/** What a server was asked: `address:port method url host jobId`. */
export interface Outside extends AsyncDisposable {
  readonly seen: string[];
  /** What the name server on {@link PRIVATE} was asked: `A name`. */
  readonly asked: string[];
  /** PEM file with the certificate of allowed.test. */
  readonly certificate: string;
}

/** One outside at a time on a machine, since all have the same addresses; the file names the process that has it. */
const LOCK = join(tmpdir(), 'bacalhau-test-outside.lock');

async function lock(): Promise<() => void> {
  await until(
    () => {
      try {
        writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
        return true;
      } catch {
        const owner = existsSync(LOCK) ? Number(readFileSync(LOCK, 'utf8')) : 0;
        if (owner > 0 && !processAlive(owner)) {
          sweep(owner);
          rmSync(LOCK, { force: true });
        }
        return false;
      }
    },
    'the outside of another test file',
    570_000,
  );
  return () => rmSync(LOCK, { force: true });
}

/** Removes what a run that was killed left. */
function sweep(pid: number): void {
  spawnSync('ip', ['link', 'del', `bo${pid}`], { stdio: 'pipe' });
  spawnSync('ip', ['netns', 'del', `bac-out-${pid}`], { stdio: 'pipe' });
}

/** @param names of its name server */
export async function outside(names: Names = {}): Promise<Outside> {
  const unlock = await lock();
  try {
    return await make(unlock, names);
  } catch (error) {
    sweep(process.pid);
    unlock();
    throw error;
  }
}

async function make(unlock: () => void, names: Names): Promise<Outside> {
  const name = `bac-out-${process.pid}`;
  const link = `bo${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), 'outside-'));
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const certificate = join(folder, 'cert.pem');
  execFileSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=allowed.test',
    '-addext',
    'subjectAltName=DNS:allowed.test,DNS:*.wild.test,DNS:*.dotted.test',
    '-keyout',
    join(folder, 'key.pem'),
    '-out',
    certificate,
  ], { stdio: 'pipe' });
  ip('netns', 'add', name);
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'out0', 'netns', name);
  ip('addr', 'add', `${HOST}/24`, 'dev', link);
  ip('addr', 'add', `${HOST6}/64`, 'dev', link, 'nodad');
  ip('link', 'set', link, 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('-n', name, 'addr', 'add', `${PRIVATE}/24`, 'dev', 'out0');
  for (const address of [`${PRIVATE6}/64`, `${ALLOWED6}/128`]) {
    ip('-n', name, 'addr', 'add', address, 'dev', 'out0', 'nodad');
  }
  for (const address of [ALLOWED, EVIL, METADATA]) {
    ip('-n', name, 'addr', 'add', `${address}/32`, 'dev', 'out0');
  }
  ip('-n', name, 'link', 'set', 'out0', 'up');
  ip('-n', name, 'route', 'add', 'default', 'via', HOST);
  for (const address of [ALLOWED, EVIL, METADATA]) {
    ip('route', 'replace', `${address}/32`, 'via', PRIVATE, 'dev', link);
  }
  ip('-6', 'route', 'replace', `${ALLOWED6}/128`, 'via', PRIVATE6, 'dev', link);
  const child = spawn('ip', ['netns', 'exec', name, ...selfServer(folder, PRIVATE, names)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const seen: string[] = [];
  const asked: string[] = [];
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') resolve();
      else if (line.startsWith('DNS ')) asked.push(line.slice('DNS '.length));
      else seen.push(line);
    });
  });
  await Promise.race([
    ready,
    gone.then(() => Promise.reject(new Error('the servers outside did not start'))),
  ]);
  return {
    seen,
    asked,
    certificate,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await gone;
      sweep(process.pid); // routes go with the link
      rmSync(folder, { recursive: true });
      unlock();
    },
  };
}
