/**
 * Bytes on their way to one client. Frames are copied into one growing block, which a flush hands to the socket as it is:
 * a burst of messages becomes one write. Long payloads are not copied.
 */
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';

const FIRST_BLOCK = 512;
const LARGEST_BLOCK = 64 * 1024;
/** Payloads from here on are handed over as they are. */
const LONG = 16 * 1024;
const NONE = Buffer.alloc(0);

/** Bytes that wait for all clients of a server. */
export interface Account {
  pending: number;
}

export class Outbox {
  #block: Buffer = NONE;
  #used = 0;
  /** Full blocks and long payloads, in order. */
  #parts: Buffer[] = [];
  #queued = 0;
  /** Handed to the socket, not yet taken by the system. */
  #writing = 0;
  #nextBlock = FIRST_BLOCK;
  /** Grows with every completed write: a stalled client is one where it stands still while bytes wait. */
  completedWrites = 0;
  #closed = false;

  constructor(private readonly account: Account) {}

  /** Bytes that the client has not taken yet. */
  get pending(): number {
    return this.#queued + this.#writing;
  }

  /** Each character is one byte. */
  text(text: string): void {
    const length = text.length;
    this.#reserve(length);
    const block = this.#block;
    let at = this.#used;
    // A loop beats latin1Write for such short texts on Deno (150 against 380 ns) and loses little on Bun.
    for (let i = 0; i < length; i++) block[at++] = text.charCodeAt(i);
    this.#used = at;
    this.#count(length);
  }

  /** The bytes may be kept as they are until they are written. */
  bytes(bytes: Buffer): void {
    if (bytes.length >= LONG) {
      this.#seal();
      this.#parts.push(bytes);
    } else {
      this.#reserve(bytes.length);
      this.#block.set(bytes, this.#used);
      this.#used += bytes.length;
    }
    this.#count(bytes.length);
  }

  flush(socket: Duplex): void {
    if (this.#queued === 0) return;
    this.#nextBlock = Math.min(Math.max(2 ** Math.ceil(Math.log2(this.#queued)), FIRST_BLOCK), LARGEST_BLOCK);
    this.#seal();
    this.#block = NONE;
    const parts = this.#parts;
    const length = this.#queued;
    this.#parts = [];
    this.#queued = 0;
    this.#writing += length;
    const done = () => {
      if (this.#closed) return;
      this.#writing -= length;
      this.account.pending -= length;
      this.completedWrites++;
    };
    if (parts.length === 1) {
      socket.write(parts[0]!, done);
    } else {
      socket.cork();
      for (let i = 0; i < parts.length - 1; i++) socket.write(parts[i]!);
      socket.write(parts[parts.length - 1]!, done);
      socket.uncork();
    }
  }

  /** Forgets what was not flushed. */
  clear(): void {
    this.account.pending -= this.#queued;
    this.#block = NONE;
    this.#used = 0;
    this.#parts = [];
    this.#queued = 0;
  }

  /** Nothing is written any more, and nothing waits. */
  close(): void {
    this.clear();
    if (this.#closed) return;
    this.#closed = true;
    this.account.pending -= this.#writing;
    this.#writing = 0;
  }

  #count(length: number): void {
    this.#queued += length;
    this.account.pending += length;
  }

  #seal(): void {
    if (this.#used === 0) return;
    this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }

  #reserve(length: number): void {
    if (this.#block.length - this.#used >= length) return;
    this.#seal();
    this.#block = Buffer.allocUnsafe(Math.max(this.#nextBlock, length));
    this.#nextBlock = Math.min(this.#nextBlock * 2, LARGEST_BLOCK);
  }
}
