/** What of the node's disk the inputs of one run may take, all together: they are fetched side by side. */
import { BacalhauError } from '../model/mod.ts';

/** What the inputs of one execution may still take of its disk grant; all of its downloads count against it. */
export class DiskRoom {
  #left: number;

  /** @param bytes `Infinity` where nothing limits them */
  constructor(readonly bytes: number) {
    this.#left = bytes;
  }

  get left(): number {
    return Math.max(0, this.#left);
  }

  /**
   * Before so much is written; what was removed again is given back as a negative number.
   * @throws BacalhauError of class `user` when it is too much
   */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    const text =
      `Cannot fetch the inputs of the task: they take more than the ${this.bytes} bytes of disk that it may use`;
    throw new BacalhauError('DiskLimit', text, {
      component: 'Storage',
      hint: 'Raise Resources.Disk of the task, or give it smaller inputs',
      details: { class: 'user' },
    });
  }
}
