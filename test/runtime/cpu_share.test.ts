/** The groups or priorities that the system shows of a process. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { expect, test } from 'vitest';
import { CpuShare } from '../../runtime/cpu_share.ts';

/** Folder of the group of a process that counts its CPU, in either version; null when it has none of ours. */
function groupOf(pid: number): string | null {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, controllers = '', path = ''] = line.split(':');
    if (!path.endsWith(`/bacalhau-cpu-${pid}`)) continue;
    return join('/sys/fs/cgroup', controllers.split(',').includes('cpu') ? 'cpu' : '', path);
  }
  return null;
}

test.runIf(process.platform === 'linux')(
  'a process has its share in a group of its own, else a lower priority, and leaves no group behind',
  async () => {
    const child = spawn('sleep', ['60']);
    const share = new CpuShare(child.pid!);
    try {
      const group = groupOf(child.pid!);
      if (group === null) return expect(getPriority(child.pid!)).toBeGreaterThan(0);
      const weight = () => {
        const file = ['cpu.shares', 'cpu.weight'].map((name) => join(group, name)).find(existsSync)!;
        return Number(readFileSync(file, 'utf8'));
      };
      share.set(2);
      const two = weight();
      share.set(0.5);
      expect(weight()).toBe(two / 4);
      child.kill('SIGKILL');
      await once(child, 'exit');
      share[Symbol.dispose]();
      expect(existsSync(group)).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  },
);

test('a process that has ended already is no failure', () => {
  const share = new CpuShare(2 ** 22 + 1);
  share.set(1);
  share[Symbol.dispose]();
});
