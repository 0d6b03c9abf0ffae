/** What a run may take of the host's files, enforced before the host is asked; and which of it a program ran into. */
import { Errno, WasiError } from './errno.ts';

export interface LimitValues {
  /** Files and directories open at once, standard streams included. */
  readonly openFiles: number;
  /** Bytes of the largest file that may be made; 0 = no limit. */
  readonly fileBytes: number;
}

/** A guest is ended because its log is full. */
export class LogFull extends Error {
  constructor() {
    super('the log is full');
  }
}

export class Limits {
  #hit: keyof LimitValues | null = null;
  readonly #fileBytes: number;

  constructor(readonly values: LimitValues) {
    this.#fileBytes = values.fileBytes || Infinity;
  }

  /** The one that refused a call last. */
  get hit(): keyof LimitValues | null {
    return this.#hit;
  }

  /** Before one more is opened. @throws WasiError EMFILE */
  open(count: number): void {
    if (count < this.values.openFiles) return;
    this.#hit = 'openFiles';
    throw new WasiError(Errno.mfile);
  }

  /** How many of `wanted` bytes may be written at `offset`. @throws WasiError EFBIG when it is none of them */
  writable(offset: number, wanted: number): number {
    const room = this.#fileBytes - offset;
    if (room >= wanted) return wanted;
    this.#hit = 'fileBytes';
    if (room <= 0) throw new WasiError(Errno.fbig);
    return room;
  }

  /** Before a file is made this long. @throws WasiError EFBIG */
  length(bytes: number | bigint): void {
    if (bytes <= this.#fileBytes) return;
    this.#hit = 'fileBytes';
    throw new WasiError(Errno.fbig);
  }
}
