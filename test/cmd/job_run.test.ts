/** `job run --dry-run`: what would be submitted, and what was left out of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Context } from '../../cmd/context.ts';
import { command } from '../../cmd/job/run.ts';
import { addGlobalFlags, newCommand, parseCommand } from '../../cmd/command.ts';

class Captured extends Context {
  stdout = '';
  stderr = '';
  override print(text: string): void {
    this.stdout += text;
  }
  override complain(text: string): void {
    this.stderr += text;
  }
}

const JOB = `
Name: two
Type: batch
Meta: {keep: me, bacalhau.org/client.instance.id: spoofed}
Tasks:
- {Name: first, Engine: {Type: docker, Params: {Image: alpine}}, Resources: {CPU: 250M, Memory: 1 GiB}}
- {Name: second, Engine: {Type: docker, Params: {Image: alpine}}}
`;

it('a dry run shows the job that would be stored, and names once what was left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'job-run-'));
  try {
    const file = join(folder, 'job.yaml');
    await writeFile(file, JOB);
    const library = newCommand('bacalhau job run', '', () => {});
    command.configure(library);
    addGlobalFlags(library);
    const parsed = parseCommand(library, ['--dry-run', file])!;
    const context = new Captured(parsed.globals);
    expect(await command.run(parsed.args, parsed.options, context)).toBe(0);
    expect(context.stdout).toContain('keep: me');
    expect(context.stdout).toContain('    CPU: 250m\n    Memory: 1gib\n');
    expect(context.stdout).not.toMatch(/second|spoofed/);
    expect(context.stderr.trim().split('\n')).toHaveLength(2);
  } finally {
    await rm(folder, { recursive: true });
  }
});
