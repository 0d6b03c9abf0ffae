/** Error numbers of WASI preview 1, and how those of the host map to them. */

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
  nfile: 41,
  noent: 44,
  nomem: 48,
  nospc: 51,
  nosys: 52,
  notdir: 54,
  notempty: 55,
  notsup: 58,
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
  ENAMETOOLONG: Errno.nametoolong,
  ENFILE: Errno.nfile,
  ENOENT: Errno.noent,
  ENOMEM: Errno.nomem,
  ENOSPC: Errno.nospc,
  ENOTDIR: Errno.notdir,
  ENOTEMPTY: Errno.notempty,
  ENOTSUP: Errno.notsup,
  EPERM: Errno.perm,
  EPIPE: Errno.pipe,
  EROFS: Errno.rofs,
  ESPIPE: Errno.spipe,
  ETXTBSY: Errno.txtbsy,
  EXDEV: Errno.xdev,
};

/**
 * The number that a guest gets for what a host function threw.
 * @throws what is not an error of the file system or of the guest's arguments: a fault of ours, or the end of the program
 */
export function errnoOf(thrown: unknown): Errno {
  if (thrown instanceof WasiError) return thrown.errno;
  const code = (thrown as { code?: unknown } | null)?.code;
  if (typeof code === 'string') return HOST[code] ?? Errno.io;
  // A pointer beyond the guest's memory.
  if (thrown instanceof RangeError && !/call stack/i.test(thrown.message)) return Errno.fault;
  throw thrown;
}
