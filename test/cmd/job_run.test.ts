/** `job run --dry-run`: what would be submitted, and what was left out of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { command } from '../../cmd/job/run.ts';
import { invoke } from '../support/invoke.ts';

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
    const { result, stdout, stderr } = await invoke(command, 'job run', ['--dry-run', file]);
    expect(result).toBe(0);
    expect(stdout).toContain('keep: me');
    expect(stdout).toContain('    CPU: 250m\n    Memory: 1gib\n');
    expect(stdout).not.toMatch(/second|spoofed/);
    expect(stderr.trim().split('\n')).toHaveLength(2);
  } finally {
    await rm(folder, { recursive: true });
  }
});
