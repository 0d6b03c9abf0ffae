/** The executable as a citizen of its surroundings: folder, pipes, signals. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { cleanEnv, PROGRAMS, run, type Runtime, start, temporaryFolder } from '../support/program.ts';

const sh = promisify(execFile);

describe.each<Runtime>(['bun', 'deno'])('the program, %s', (runtime) => {
  it('does not obey a .env or bunfig.toml of the folder it is started in', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, '.env'), 'BACALHAU_API_HOST=evil.invalid\nBACALHAU_API_PORT=6666\n');
    await writeFile(join(folder.path, 'bunfig.toml'), 'preload = ["./evil.js"]\n');
    await writeFile(join(folder.path, 'evil.js'), 'console.log("EVIL")\n');
    const version = await run(runtime, ['version', '--client'], { cwd: folder.path });
    expect(version).toMatchObject({ code: 0 });
    expect(version.stdout + version.stderr).not.toContain('EVIL');
    const list = await run(runtime, ['job', 'list', '--api-port', '1'], { cwd: folder.path });
    expect(list.stderr).not.toMatch(/evil\.invalid|6666/);
  });

  it('ends quietly when the reader of its output goes away', async () => {
    const command = PROGRAMS[runtime].map((part) => `'${part}'`).join(' ');
    const { stdout, stderr } = await sh('sh', ['-c', `${command} config list | head -n 1`], {
      env: cleanEnv(),
    });
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).toBe('');
  });

  it('devstack stops in order on SIGTERM', async () => {
    await using folder = await temporaryFolder();
    await using server = start(runtime, [
      'devstack',
      '--base-dir',
      folder.path,
      ...['API.Port=0', 'Orchestrator.Port=0', 'Publishers.Types.Local.Port=0'].flatMap((set) => ['-c', set]),
    ], { BACALHAU_DIR: folder.path });
    await server.line(/BACALHAU_API_PORT=(\d+)/);
    expect(await server.kill('SIGTERM')).toBe(0);
  });
});
