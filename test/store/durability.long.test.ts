/** Durability as seen from outside: processes killed while they write, and the system calls of a commit. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOrchestratorStore } from '../../mod/store/mod.ts';
import { RUNTIMES, startWriter } from './children.ts';
import { testWorld } from './samples.ts';

const runtimes = Object.keys(RUNTIMES) as (keyof typeof RUNTIMES)[];
const strace = spawnSync('strace', ['-V']).status === 0;
if (!strace && process.env.CI !== 'true') {
  console.warn('The order of system calls is not tested: strace is not installed.');
}

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each(runtimes)('under %s', (runtime) => {
  it('kill -9 loses nothing that was answered, and leaves no half of a submit', async () => {
    const path = join(folder, 'a.db');
    const answered: string[] = [];
    for (const after of [1, 50, 400, 1500]) {
      const writer = startWriter(runtime, [path, '16', '1000000']);
      while (writer.answered.length < after) await writer.progress();
      writer.child.kill('SIGKILL');
      await expect(writer.done).rejects.toThrow('SIGKILL');
      answered.push(...writer.answered);
      await using store = await openOrchestratorStore({ path, world: testWorld(), orchestratorId: 'n-1' });
      const kept = await store.read(async (reader) => {
        const whole = new Set<string>();
        const due = new Set((await reader.evaluations.due(0n, 1e6)).map(({ jobId }) => jobId));
        for (let more = true; more;) {
          const page = await reader.jobs.list({ offset: whole.size });
          for (const { job } of page.items) {
            expect(await reader.versions.get(job.ID, 1)).toBeDefined();
            expect(await reader.executions.byJob(job.ID)).toHaveLength(1);
            expect((await reader.history.page({ jobId: job.ID })).items).toHaveLength(1);
            expect(due.has(job.ID)).toBe(true);
            whole.add(job.ID);
          }
          more = page.more;
        }
        return whole;
      });
      expect(answered.filter((id) => !kept.has(id))).toEqual([]);
    }
  });

  it.skipIf(!strace && process.env.CI !== 'true')(
    'answers after the fdatasync that follows the write, and shares it among parallel writes',
    async () => {
      const trace = join(folder, 'trace');
      const command = [
        'strace',
        '-f',
        '-y',
        '-s',
        '64',
        '-e',
        'trace=write,pwrite64,fsync,fdatasync',
        '-o',
        trace,
      ];
      for (const [writers, jobs] of [['1', '10'], ['16', '1']]) {
        const writer = startWriter(runtime, [join(folder, `${writers}.db`), writers!, jobs!], command);
        await writer.done;
        const calls = callsOf(readFileSync(trace, 'utf8'));
        let unsynced = false;
        let syncs = 0;
        let oks = 0;
        let ready = false;
        for (const call of calls) {
          if (call.name === 'write' && call.text.includes('"ready')) ready = true;
          if (!ready) continue;
          if (call.name === 'pwrite64' && call.text.includes('.db-wal>')) unsynced = true;
          if (/sync$/.test(call.name) && call.text.includes('.db-wal>')) {
            unsynced = false;
            syncs++;
          }
          if (call.name === 'write' && call.text.includes('"ok j-')) {
            oks++;
            expect(unsynced).toBe(false);
          }
          if (call.text.includes('"done ') || oks === Number(writers) * Number(jobs)) break;
        }
        expect(oks).toBe(Number(writers) * Number(jobs));
        if (writers === '1') expect(syncs).toBeGreaterThanOrEqual(10);
        else expect(syncs).toBeLessThan(8);
        expect(syncs).toBeGreaterThan(0);
      }
    },
  );

  it.skipIf(!strace && process.env.CI !== 'true')(
    'a write that fails for a while is tried again; a failed fsync ends the store',
    async () => {
      const inject = (call: string, path: string, when: string) => [
        ...['strace', '-f', '-o', '/dev/null', '-P', `${path}-wal`, '-e', `trace=${call}`],
        ...['-e', `inject=${call}:error=EIO:when=${when}`],
      ];
      const [passing, lasting] = [join(folder, 'passing.db'), join(folder, 'lasting.db')];
      const writer = startWriter(runtime, [passing, '1', '40'], inject('pwrite64', passing, '400..403'));
      await writer.done;
      expect(writer.answered).toHaveLength(40);

      const ended = startWriter(runtime, [lasting, '1', '40'], inject('fsync,fdatasync', lasting, '30+'));
      await expect(ended.done).rejects.toThrow('ended with 1');
      expect(ended.answered.length).toBeGreaterThan(20);
      expect(ended.answered.length).toBeLessThan(32);
    },
  );
});

interface Call {
  readonly name: string;
  readonly text: string;
}

/** Calls in the order in which they ended; a call that another thread interrupted is written in two lines. */
function callsOf(trace: string): readonly Call[] {
  const open = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of trace.split('\n')) {
    const [, thread, rest] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, rest);
      continue;
    }
    const text = rest.startsWith('<...') ? `${open.get(thread)} ${rest}` : rest;
    const name = /^(\w+)\(/.exec(text)?.[1];
    if (name) calls.push({ name, text });
  }
  return calls;
}
