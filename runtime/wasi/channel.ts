/** The child's end of its pipes: frames in and out, one after the other, blocking. */
import { Buffer } from 'node:buffer';
import { writeSync } from 'node:fs';
import { type ChildFrame, encodeFrame, Lines, type ParentFrame } from './frames.ts';
import type { Control } from './watchdog.ts';

export class Channel {
  readonly #control: Control;
  readonly #lines = new Lines();
  readonly #decoder = new TextDecoder();
  #waiting: string[] = [];

  constructor(control: Control) {
    this.#control = control;
  }

  send(frame: ChildFrame): void {
    const bytes = Buffer.from(encodeFrame(frame));
    for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done);
  }

  /** Blocks for so many milliseconds at most, or until the parent has sent something; whether it has. */
  waits(ms: number): boolean {
    return this.#waiting.length > 0 || this.#control.waits(ms);
  }

  /** Blocks until the parent has sent one. */
  receive(): ParentFrame {
    while (this.#waiting.length === 0) {
      this.#waiting = this.#lines.push(this.#decoder.decode(this.#control.read(), { stream: true }));
    }
    return JSON.parse(this.#waiting.shift()!) as ParentFrame;
  }
}
