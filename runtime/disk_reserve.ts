/**
 * A file that only takes room, so that there is some to give when the disk is full: whoever must write to go on (a store
 * that has to record how the rest failed) lets it go, and it is made again once there is room for it.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { open, rename, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { World } from './world.ts';

const CHUNK_BYTES = 1024 * 1024;
/** It is made only where that leaves this many times as much free. */
const ROOM = 4;
const AGAIN_MS = 60_000;

export class DiskReserve implements Disposable {
  #timer: Disposable | undefined;
  #closed = false;

  /** @param released called when the reserve was given away */
  constructor(
    readonly path: string,
    readonly bytes: number,
    readonly world: World,
    readonly released: () => void,
  ) {}

  /** Makes the file in the background unless it is there, or later, when there is room. */
  start(): void {
    this.#make().catch(() => false).then((made) => {
      if (!made && !this.#closed) this.#timer = this.world.after(AGAIN_MS, () => this.start());
    });
  }

  /** Gives the room away. False when there is none to give. Never throws. */
  release(): boolean {
    try {
      rmSync(this.path);
    } catch {
      return false; // not made yet, or given away already
    }
    this.released();
    if (!this.#closed) this.#timer = this.world.after(AGAIN_MS, () => this.start());
    return true;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** @throws the error of the file system */
  async #make(): Promise<boolean> {
    const present = await stat(this.path).catch(() => null);
    if (present?.size === this.bytes) return true;
    const { bavail, bsize } = await statfs(dirname(this.path));
    if (bavail * bsize < this.bytes * (ROOM + 1)) return false;
    // Not zeros: some file systems store none of those.
    const chunk = randomBytes(CHUNK_BYTES);
    const unfinished = `${this.path}.new`;
    const file = await open(unfinished, 'w', 0o600);
    try {
      for (let written = 0; written < this.bytes && !this.#closed; written += CHUNK_BYTES) {
        await file.write(chunk, 0, Math.min(CHUNK_BYTES, this.bytes - written));
      }
    } finally {
      await file.close();
    }
    if (this.#closed) rmSync(unfinished, { force: true });
    else await rename(unfinished, this.path);
    return true;
  }
}
