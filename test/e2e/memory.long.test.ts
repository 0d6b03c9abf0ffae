/** What is kept in memory has a bound in bytes: jobs with large inputs do not add up. */
import { describe, expect, it } from 'vitest';
import { startOrchestrator } from '../support/cluster.ts';
import { Connection } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { memoryOf, type Runtime, temporaryFolder } from '../support/program.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const COUNT = 1000;
const TEXT = 500_000;
const LIMIT = 250 * 2 ** 20;

interface Listed {
  readonly NextToken: string;
  readonly Items: readonly { readonly ID: string }[];
}

describe.each<Runtime>(['bun'])('memory of an orchestrator, %s', (runtime) => {
  it('stays below 250 MB with 1,000 jobs of 500 KB, submitted, listed and read', async () => {
    await using folder = await temporaryFolder();
    await using server = await startOrchestrator(runtime, folder.path);
    using api = new Connection(server.apiPort);
    let peak = 0;
    const sampling = setInterval(() => peak = Math.max(peak, memoryOf(server.pid)), 100);
    try {
      for (let i = 0; i < COUNT; i++) {
        const Env = Object.fromEntries(
          Array.from({ length: 10 }, (_, part) => [`PART_${part}`, `${i} `.padEnd(TEXT / 10, 'x')]),
        );
        await api.json('PUT', JOBS, wasmJob({ task: { Env } }));
      }
      const listed = new Set<string>();
      let token = '';
      do {
        const query = token ? `?next_token=${token}` : `?limit=${COUNT}`;
        const { Items, NextToken } = await api.json<Listed>('GET', `${JOBS}${query}`);
        for (const { ID } of Items) listed.add(ID);
        token = NextToken;
      } while (token !== '');
      expect(listed.size).toBe(COUNT);
      const whole = await fetch(`http://127.0.0.1:${server.apiPort}${JOBS}`);
      let bytes = 0;
      let last = '';
      for await (const text of whole.body!.pipeThrough(new TextDecoderStream())) {
        bytes += text.length;
        last = (last + text).slice(-100);
      }
      expect(bytes).toBeGreaterThan(COUNT * TEXT);
      expect(last.endsWith('}]}\n')).toBe(true);
      for (const id of listed) {
        const { body, status } = await api.request('GET', `${JOBS}/${id}`);
        expect(status).toBe(200);
        expect(body.length).toBeGreaterThan(TEXT);
      }
      expect(memoryOf(server.pid)).toBeLessThan(LIMIT);
    } finally {
      clearInterval(sampling);
    }
    expect(peak).toBeLessThan(LIMIT);
  }, 300_000);
});
