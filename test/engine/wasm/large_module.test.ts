/** A module of several MB goes to the process that has compiled it; the next one compiles it before it is asked (bench/bounds.ts). */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { expect, test } from 'vitest';
import { processCpuMs } from '../../../runtime/process.ts';
import { Bench, CHILDREN } from './helpers.ts';
import { cost, largeModule } from './large_module.ts';
import { until } from '../../support/until.ts';

const NEVER = new AbortController().signal;
/** Processes of this bench, as the system lists them. */
function processes(bench: Bench): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === bench.path('wasm');
    } catch {
      return false; // gone, or not ours to see
    }
  });
}

// V8 compiles a function when it is called, so only JavaScriptCore takes long enough to be measured in ticks of 10 ms.
test.skipIf(process.platform !== 'linux')(
  'a large module goes to the process that has it, then to a spare one that has settled',
  async () => {
    await using bench = new Bench({ childCommand: CHILDREN.bun, poolSize: 1 });
    const module = bench.path('large.wasm');
    writeFileSync(module, largeModule());
    const first = await cost(bench, module);
    const second = await cost(bench, module);
    expect(second.pid).toBe(first.pid);

    // The next process is started while this one is busy, so it is ready when this one is killed.
    const busy = await bench.engine.create(bench.request('loop'), NEVER);
    expect(Number(busy.identity.id)).toBe(first.pid);
    await busy.start();
    const [spare] = await until(() => {
      const others = processes(bench).filter((pid) => pid !== first.pid && processCpuMs(pid)! > 0);
      return others.length > 0 ? others : null;
    });
    await settled(spare!);
    await busy.stop(0);
    const third = await cost(bench, module);
    expect(third.pid).toBe(spare);
  },
);

/** Waits until a process has used no processor time for a while. */
async function settled(pid: number): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until(() => {
    const now = processCpuMs(pid)!;
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 300;
  });
}
