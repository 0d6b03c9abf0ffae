import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DiskReserve } from '../../runtime/disk_reserve.ts';
import { realWorld } from '../../runtime/world.ts';
import { temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

it('takes room, and gives it away once', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'reserve');
  let released = 0;
  using reserve = new DiskReserve(path, 3_000_000, realWorld, () => released++);
  expect(reserve.release()).toBe(false);
  reserve.start();
  await until(() => existsSync(path), 'it is there');
  expect(statSync(path).size).toBe(3_000_000);
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(3_000_000);
  expect(reserve.lacking).toBe(false);
  expect([reserve.release(), reserve.release(), released]).toEqual([true, false, 1]);
  // There is room enough for another.
  expect(reserve.lacking).toBe(false);
  expect(existsSync(path)).toBe(false);
});

it('takes none where there is too little, or no folder', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'reserve');
  using reserve = new DiskReserve(path, 1e15, realWorld, () => {});
  reserve.start();
  await until(() => reserve.lacking, 'it is known');
  rmSync(folder.path, { recursive: true });
  using lost = new DiskReserve(path, 1000, realWorld, () => {});
  lost.start();
  await realWorld.sleep(50);
  expect([existsSync(path), reserve.release(), lost.release()]).toEqual([false, false, false]);
});
