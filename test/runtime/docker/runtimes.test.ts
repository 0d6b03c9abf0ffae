/** The client does the same on both runtimes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { ROOT } from '../../support/program.ts';

const engine = await dockerd();
if (!engine) console.log(dockerMissing());
const SCRIPT = join(import.meta.dirname!, 'client_script.ts');

describe.skipIf(!engine)('client', () => {
  it.each([
    ['deno', [process.execPath, 'run', '-A', '--quiet']],
    ['bun', [join(ROOT, 'node_modules/bun/bin/bun.exe'), 'run']],
  ])('under %s', async (_name, command) => {
    const { code, stdout, stderr } = await run([...command, SCRIPT, engine!.host, await engine!.image()]);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({
      version: await engine!.docker.apiVersion(),
      run: [[20_000_004, 4], 4],
      cat: 'typed',
      logs: ['typed'],
      archive: [2_000_000, true],
      aborted: ['Cancelled', 'Cancelled', 'Cancelled', 'Cancelled'],
      event: 'die',
      errors: ['ContainerNotFound', 'ImageNotFound', 'Conflict', 'Unavailable'],
    });
  });
});

function run(command: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command[0]!, command.slice(1), { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout += text);
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr += text);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}
