/** Must-hold 2: a novel through the word-count job, by local folder and by URL, against the shell's own count. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { connectedNodes, startCompute, startOrchestrator } from '../support/cluster.ts';
import { ROOT, run, type Runtime, temporaryFolder } from '../support/program.ts';

const NOVEL = join(ROOT, '..', 'shared', 'data', 'moby-dick.txt');
const MODULE = join(ROOT, 'examples', 'word-count', 'word-count.wasm');
const present = existsSync(NOVEL);
if (!present && process.env.CI !== 'true') console.log(`SKIPPED: no novel at ${NOVEL}`);

/** word → count, of `sort | uniq -c` lines. */
function parseCounts(text: string): Map<string, number> {
  const lines = text.split('\n').map((line) => /^ *(\d+) (.+)$/.exec(line)).filter((match) => match !== null);
  return new Map(lines.map((match) => [match[2]!, Number(match[1])]));
}

function countedByShell(): Map<string, number> {
  const script = `tr -cs "A-Za-z'" '\\n' < "$1" | tr A-Z a-z | sort | uniq -c`;
  return parseCounts(
    execFileSync('sh', ['-c', script, 'sh', NOVEL], { env: { LC_ALL: 'C' }, encoding: 'utf8' }),
  );
}

describe.skipIf(!present && process.env.CI !== 'true').each<Runtime>(['bun', 'deno'])(
  'word count, %s',
  (runtime) => {
    it('gives the counts of tr, sort and uniq for a local folder and for a URL', async () => {
      await using folder = await temporaryFolder();
      const data = join(folder.path, 'data');
      await mkdir(data);
      await copyFile(NOVEL, join(data, 'moby-dick.txt'));
      await copyFile(MODULE, join(folder.path, 'word-count.wasm'));
      const web = createServer((_request, response) => {
        readFile(NOVEL).then((text) => response.writeHead(200, { 'Content-Length': text.length }).end(text));
      });
      await new Promise<void>((listening) => web.listen(0, '127.0.0.1', listening));
      try {
        await using orchestrator = await startOrchestrator(runtime, folder.path);
        await using _compute = await startCompute(runtime, folder.path, 'n-words', orchestrator.natsPort, [
          '-c',
          `Compute.AllowListedLocalPaths=${folder.path}/**`,
        ]);
        await connectedNodes(orchestrator.apiPort, ['n-words']);
        const env = {
          BACALHAU_DIR: join(folder.path, 'client'),
          BACALHAU_API_HOST: '127.0.0.1',
          BACALHAU_API_PORT: String(orchestrator.apiPort),
        };
        const expected = countedByShell();
        expect(expected.get('the')).toBe(14_169);
        const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/moby-dick.txt`;
        const variants = { 'word-count.yaml': `data=${data}`, 'word-count-url.yaml': `url=${url}` };
        for (const [file, input] of Object.entries(variants)) {
          const submitted = await run(runtime, [
            'job',
            'run',
            join(ROOT, 'examples', file),
            '--template-vars',
            `module=${join(folder.path, 'word-count.wasm')},${input}`,
            '--id-only',
            '--wait',
          ], { env });
          expect(submitted).toMatchObject({ code: 0, stderr: '' });
          const output = join(folder.path, `result-${file}`);
          const id = submitted.stdout.trim();
          expect(await run(runtime, ['job', 'get', id, '--output-dir', output], { env })).toMatchObject({
            code: 0,
          });
          const counts = parseCounts(await readFile(join(output, 'outputs', 'counts.txt'), 'utf8'));
          expect(counts).toEqual(expected);
        }
      } finally {
        web.closeAllConnections();
        web.close();
      }
    });
  },
);
