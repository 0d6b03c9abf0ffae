/**
 * A submit is answered only after its transaction is on the disk, and submits at the same time share an fsync: seen from
 * outside, by the system calls of the executable (the page cache hides this from kill -9).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { startOrchestrator } from '../support/cluster.ts';
import { Connection, load } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { type Runtime, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const JOBS = '/api/v1/orchestrator/jobs';

function hasStrace(): boolean {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const available = hasStrace() || process.env.CI === 'true';
if (!available) console.log('SKIPPED: no strace on this machine');

type Call = 'write' | 'sync' | 'answer';

/** What matters of a trace, in order; a call that another thread interrupted counts where it ended. */
function readTrace(path: string): Call[] {
  return readFileSync(path, 'utf8').split('\n').flatMap((line): Call[] => {
    if (/pwrite64\(\d+<[^>]*-wal>/.test(line)) return ['write'];
    if (/(?:fsync|fdatasync)(?:\(\d+<[^>]*-wal>\)|\sresumed>\)).*= 0/.test(line)) return ['sync'];
    return /HTTP\/1\.1 200/.test(line) ? ['answer'] : [];
  });
}

async function trace(pid: number, file: string, work: () => Promise<void>): Promise<Call[]> {
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg';
  const strace: ChildProcess = spawn('strace', [
    '-f',
    '-y',
    '-e',
    calls,
    '-s',
    '32',
    '-o',
    file,
    '-p',
    `${pid}`,
  ], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  strace.stderr!.on('data', (text) => said += text);
  await until(() => said.includes('attached'), 'strace is attached');
  await work();
  const ended = new Promise((done) => strace.once('close', done));
  process.kill(strace.pid!, 'SIGINT');
  await ended;
  return readTrace(file);
}

describe.skipIf(!available).each<Runtime>(['bun', 'deno'])('durable submits, %s', (runtime) => {
  it('are answered after the fsync that follows their last write', async () => {
    await using folder = await temporaryFolder();
    await using server = await startOrchestrator(runtime, folder.path);
    using api = new Connection(server.apiPort);
    const calls = await trace(server.pid, join(folder.path, 'trace'), async () => {
      for (let i = 0; i < 20; i++) await api.json('PUT', JOBS, wasmJob());
    });
    expect(calls.filter((call) => call === 'answer')).toHaveLength(20);
    let before: Call | undefined;
    for (const call of calls) {
      if (call === 'answer') expect(before).toBe('sync');
      before = call;
    }
  });

  it('share an fsync when they come together', async () => {
    await using folder = await temporaryFolder();
    await using server = await startOrchestrator(runtime, folder.path);
    const body = JSON.stringify(wasmJob());
    await load(server.apiPort, 16, 64, () => ({ method: 'PUT', path: JOBS, body }));
    const calls = await trace(server.pid, join(folder.path, 'trace'), async () => {
      await load(server.apiPort, 16, 160, () => ({ method: 'PUT', path: JOBS, body }));
    });
    expect(calls.filter((call) => call === 'answer')).toHaveLength(160);
    expect(calls.filter((call) => call === 'sync').length).toBeLessThan(80);
  });
});
