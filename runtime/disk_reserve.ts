/**
 * A file that only takes room, so that there is some to give when the disk is full: whoever must write to go on (a store
 * that has to record how the rest failed) lets it go, and it is made again once there is room for it.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ContainedFiles, removeNow } from './files/mod.ts';
import type { World } from './world.ts';

const CHUNK_BYTES = 1024 * 1024;
/** It is made only where that leaves this many times as much free. */
const ROOM = 4;
const AGAIN_MS = 5_000;

export class DiskReserve implements Disposable {
  #timer: Disposable | undefined;
  #closed = false;
  #lacking = false;

  /** @param released called when the reserve was given away */
  constructor(
    readonly path: string,
    readonly bytes: number,
    readonly world: World,
    readonly released: () => void,
  ) {}

  /** Whether it was given away, or could not be made, and there is no room for it now either. */
  get lacking(): boolean {
    return this.#lacking && !this.#hasRoom();
  }

  /** Makes the file in the background unless it is there, or later, when there is room. */
  start(): void {
    this.#make().catch(() => false).then((made) => {
      this.#lacking = !made;
      if (!made && !this.#closed) this.#timer = this.world.after(AGAIN_MS, () => this.start());
    });
  }

  /** Gives the room away. False when there is none to give. Never throws. */
  release(): boolean {
    // Not made yet, or given away already.
    if (!existsSync(this.path)) return false;
    removeNow(this.path);
    this.#lacking = true;
    this.released();
    if (!this.#closed) this.#timer = this.world.after(AGAIN_MS, () => this.start());
    return true;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** Synchronous, since whoever decides on new work does not wait for it; a few microseconds. */
  #hasRoom(): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.path));
      return bavail * bsize >= this.bytes * (ROOM + 1);
    } catch {
      return false; // no folder, no room
    }
  }

  /** @throws the error of the file system */
  async #make(): Promise<boolean> {
    const present = await stat(this.path).catch(() => null);
    if (present?.size === this.bytes) return true;
    if (!this.#hasRoom()) return false;
    // Not zeros: some file systems store none of those.
    const chunk = randomBytes(CHUNK_BYTES);
    const unfinished = `${this.path}.new`;
    using files = new ContainedFiles(dirname(this.path));
    await files.remove(unfinished);
    const file = await files.create(unfinished);
    try {
      for (let written = 0; written < this.bytes && !this.#closed; written += CHUNK_BYTES) {
        await file.write(chunk, 0, Math.min(CHUNK_BYTES, this.bytes - written));
      }
      if (!this.#closed) await files.rename(unfinished, this.path);
    } finally {
      await file.close();
      await files.remove(unfinished);
    }
    return true;
  }
}
