/** Error numbers of WASI preview 1, and how those of the host map to them. */

import { constants } from 'node:os';

export const Errno = {
  success: 0,
  tooBig: 1,
  acces: 2,
  again: 6,
  badf: 8,
  busy: 10,
  dquot: 19,
  exist: 20,
  fault: 21,
  fbig: 22,
  ilseq: 25,
  inval: 28,
  io: 29,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  mlink: 34,
  nfile: 41,
  noent: 44,
  nomem: 48,
  nospc: 51,
  nosys: 52,
  notdir: 54,
  notempty: 55,
  notsock: 57,
  notsup: 58,
  nxio: 60,
  overflow: 61,
  perm: 63,
  pipe: 64,
  rofs: 69,
  spipe: 70,
  txtbsy: 74,
  xdev: 75,
  notcapable: 76,
} as const;
export type Errno = (typeof Errno)[keyof typeof Errno];

/** Ends a host function with this number. */
export class WasiError extends Error {
  constructor(readonly errno: Errno) {
    super(`WASI errno ${errno}`);
  }
}

const HOST: Readonly<Record<string, Errno>> = {
  EACCES: Errno.acces,
  EAGAIN: Errno.again,
  EBADF: Errno.badf,
  EBUSY: Errno.busy,
  EDQUOT: Errno.dquot,
  EEXIST: Errno.exist,
  EFAULT: Errno.fault,
  EFBIG: Errno.fbig,
  EILSEQ: Errno.ilseq,
  EINVAL: Errno.inval,
  EIO: Errno.io,
  EISDIR: Errno.isdir,
  ELOOP: Errno.loop,
  EMFILE: Errno.mfile,
  EMLINK: Errno.mlink,
  ENAMETOOLONG: Errno.nametoolong,
  ENFILE: Errno.nfile,
  ENOENT: Errno.noent,
  ENOMEM: Errno.nomem,
  ENOSPC: Errno.nospc,
  ENOTDIR: Errno.notdir,
  ENOTEMPTY: Errno.notempty,
  ENOTSUP: Errno.notsup,
  ENXIO: Errno.nxio,
  EOPNOTSUPP: Errno.notsup,
  EOVERFLOW: Errno.overflow,
  EPERM: Errno.perm,
  EPIPE: Errno.pipe,
  EROFS: Errno.rofs,
  ESPIPE: Errno.spipe,
  ETXTBSY: Errno.txtbsy,
  EXDEV: Errno.xdev,
};

/** Names of the host's error numbers, for a runtime that gives only those. */
let hostNames: ReadonlyMap<number, string> | undefined;

/** The guest's number for one of the host's. */
export function fromHost(number: number): Errno {
  hostNames ??= new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
  return HOST[hostNames.get(number) ?? ''] ?? Errno.io;
}

/**
 * The number that a guest gets for what a host function threw.
 * @throws what is not an error of the file system or of the guest's arguments: a fault of ours, or the end of the program
 */
export function errnoOf(thrown: unknown): Errno {
  if (thrown instanceof WasiError) return thrown.errno;
  if (!(thrown instanceof Error)) throw thrown;
  const { code } = thrown as { code?: unknown };
  // `ERR_…`: a number or text that the runtime does not even give to the system.
  if (typeof code === 'string') return HOST[code] ?? (code.startsWith('ERR_') ? Errno.inval : Errno.io);
  // Deno, for what its translation to Node's errors does not know.
  const number = /\(os error (\d+)\)/.exec(thrown.message);
  if (number) return fromHost(Number(number[1]));
  // A pointer beyond the guest's memory.
  if (thrown instanceof RangeError && !/call stack/i.test(thrown.message)) return Errno.fault;
  // A module that imports a function with 64-bit for 32-bit parameters, or the other way: linking does not see it.
  if (thrown instanceof TypeError && /BigInt/.test(thrown.message)) return Errno.inval;
  throw thrown;
}
