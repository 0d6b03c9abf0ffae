/** Room on the disk for what a node must still record when jobs have filled it. */
import { join } from 'node:path';
import { DiskReserve } from '../../runtime/disk_reserve.ts';
import type { NodeParts } from './parts.ts';

/** Enough for the results of many runs: a store's transaction takes some KB. */
const BYTES = 8 * 1024 * 1024;

/** Begins to take room in the background; gives it back to whatever needs it when disposed. */
export function diskReserve({ world, logger }: NodeParts, folder: string): DiskReserve {
  const path = join(folder, 'reserve');
  const reserve = new DiskReserve(
    path,
    BYTES,
    world,
    () =>
      logger.log('error', 'the disk is full: the room kept in reserve goes to the store; free some space', {
        path,
      }),
  );
  reserve.start();
  return reserve;
}
