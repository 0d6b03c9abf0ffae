/** A log that has filled the disk gives some of it back, so that the node can record how the run failed. */
import { stat } from 'node:fs/promises';
import { truncateNow } from '../../../runtime/files/mod.ts';
import { BLOCK_SIZE } from '../../../runtime/log/mod.ts';

/** Beginnings of blocks are beginnings of records: a log cut there is whole. */
const GIVEN_BACK = 32 * BLOCK_SIZE;

/** @param error why the log could not be written */
export async function giveBack(logPath: string, error: unknown): Promise<void> {
  if ((error as NodeJS.ErrnoException | null)?.code !== 'ENOSPC') return;
  const { size } = await stat(logPath);
  const kept = Math.floor(size / BLOCK_SIZE) * BLOCK_SIZE - GIVEN_BACK;
  if (kept > 0) truncateNow(logPath, kept);
}
