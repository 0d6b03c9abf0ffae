/**
 * Folders as gzip-compressed tars, both ways. Only regular files and folders exist for us: links, devices and pipes are
 * neither packed nor unpacked, so that nothing a program left in its results, and nothing in an archive from elsewhere, can
 * lead outside the folder.
 *
 * Packing the same content gives the same bytes: entries in byte order, no times, no owners, modes 0644 or 0755.
 * Unpacking counts every byte that comes out of the decompressor, headers included, before it is used.
 */
import { Buffer } from 'node:buffer';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import tar from 'tar-stream';
import { ContainedFiles } from './files/mod.ts';

export interface UnpackLimits {
  /** Bytes of the tar inside, headers and padding included. */
  readonly maxBytes: number;
  /** Bytes of one file. Default: no own limit. */
  readonly maxFileBytes?: number;
  /** Files and folders. Default 100,000. */
  readonly maxEntries?: number;
}

export interface Unpacked {
  readonly files: number;
  /** Of all files together. */
  readonly bytes: number;
}

/** `format`: no gzip or tar, or cut short; `path`: a name that would leave the folder; `limit`: too large. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  constructor(readonly kind: 'format' | 'path' | 'limit', message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const DEFAULT_MAX_ENTRIES = 100_000;
/** Read at once; a stream costs more than its bytes. */
const SMALL_FILE = 64 * 1024;
const EPOCH = new Date(0);

/** Writes the folder as tar.gz; the first entry is `.`, names are relative. Ends `to`. */
export async function packFolder(folder: string, to: Writable, signal?: AbortSignal): Promise<void> {
  const pack = tar.pack();
  const filled = fill(pack, folder).catch((error: Error) => pack.destroy(error));
  await pipeline(pack as unknown as Readable, createGzip(), to, { ...(signal && { signal }) });
  await filled;
}

/**
 * Unpacks a tar.gz into an existing folder; files of the same name are replaced. What was unpacked before an error stays.
 * @throws ArchiveError
 */
export async function unpackArchive(
  from: Readable,
  folder: string,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<Unpacked> {
  using files = new ContainedFiles(folder);
  const make = async (path: string, { type, mode }: tar.Header) => {
    await files.makeFolder(type === 'directory' ? path : dirname(path), 0o755);
    if (type === 'directory') return null;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    return await files.open(path, flags, (mode & 0o111) === 0 ? 0o644 : 0o755);
  };
  return await readEntries(from, limits, signal, async (name, header, content) => {
    const file = await make(join(folder, ...name), header).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTDIR' && error.code !== 'ELOOP') throw error;
      throw new ArchiveError('path', `"${header.name}" leads outside the folder`, { cause: error });
    });
    if (!file) return content.resume() as unknown as void;
    try {
      await pipeline(content, createWriteStream('', { fd: file.fd, autoClose: false }));
    } finally {
      await file.close();
    }
  });
}

/**
 * What unpacking would write, without writing it.
 * @throws ArchiveError
 */
export function measureArchive(
  from: Readable,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<Unpacked> {
  return readEntries(from, limits, signal, (_name, _header, content) => {
    content.resume();
    return Promise.resolve();
  });
}

async function fill(pack: tar.Pack, folder: string): Promise<void> {
  await addFolder(pack, folder, '.', 0o755);
  pack.finalize();
}

async function addFolder(pack: tar.Pack, path: string, name: string, mode: number): Promise<void> {
  pack.entry({ name, type: 'directory', mode, mtime: EPOCH, uid: 0, gid: 0 });
  const prefix = name === '.' ? '' : `${name}/`;
  for (const child of (await readdir(path)).sort(byBytes)) {
    const childPath = join(path, child);
    const found = await lstat(childPath);
    if (found.isDirectory()) await addFolder(pack, childPath, prefix + child, 0o755);
    else if (found.isFile()) await addFile(pack, childPath, prefix + child);
  }
}

async function addFile(pack: tar.Pack, path: string, name: string): Promise<void> {
  // What was a file may have become a link: the opened file is what counts, and a link is not opened.
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { size, mode } = await file.stat();
    const header = { name, size, mode: (mode & 0o111) === 0 ? 0o644 : 0o755, mtime: EPOCH, uid: 0, gid: 0 };
    if (size <= SMALL_FILE) {
      // A file that shrank meanwhile is made up with zeros, as its header promises.
      const content = Buffer.alloc(size);
      for (let at = 0, read = 1; at < size && read > 0; at += read) {
        read = (await file.read(content, at, size - at, at)).bytesRead;
      }
      pack.entry(header, content);
      return;
    }
    const entry = pack.entry(header);
    // `end`: a file that grows meanwhile must not overrun its header.
    const content = createReadStream(path, { fd: file.fd, autoClose: false, start: 0, end: size - 1 });
    await pipeline(content, entry);
  } finally {
    await file.close();
  }
}

type OnEntry = (name: readonly string[], header: tar.Header, content: Readable) => Promise<void>;

async function readEntries(
  from: Readable,
  limits: UnpackLimits,
  signal: AbortSignal | undefined,
  onEntry: OnEntry,
): Promise<Unpacked> {
  const { maxBytes, maxFileBytes = Infinity, maxEntries = DEFAULT_MAX_ENTRIES } = limits;
  const extract = tar.extract();
  let files = 0;
  let bytes = 0;
  let entries = 0;
  const read = async () => {
    for await (const entry of extract) {
      const { header } = entry;
      if (++entries > maxEntries) {
        throw new ArchiveError('limit', `the archive has more than ${maxEntries} entries`);
      }
      const isFile = header.type === 'file' || header.type === 'contiguous-file';
      const name = safeName(header.name);
      if ((!isFile && header.type !== 'directory') || name.length === 0) {
        entry.resume();
        continue;
      }
      if (isFile) {
        if (header.size > maxFileBytes) {
          throw new ArchiveError(
            'limit',
            `"${header.name}" in the archive is larger than ${maxFileBytes} bytes`,
          );
        }
        files++;
        bytes += header.size;
      }
      await onEntry(name, header, entry as unknown as Readable);
    }
  };
  const flow = pipeline(
    from,
    createGunzip(),
    meter(maxBytes),
    extract as unknown as Writable,
    { ...(signal && { signal }) },
  );
  const [flowed, done] = await Promise.allSettled([flow, read()]);
  const failures = [flowed, done].flatMap((result) => result.status === 'rejected' ? [result.reason] : []);
  if (failures.length === 0) return { files, bytes };
  signal?.throwIfAborted();
  // Each side's failure also ends the other; the one that knows the cause is told.
  const known = failures.find((error) => error instanceof ArchiveError);
  throw known ?? asArchiveError(failures[0]);
}

/** Passes bytes on until there are more than allowed. */
function meter(maxBytes: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      if (total > maxBytes) {
        done(new ArchiveError('limit', `the archive unpacks to more than ${maxBytes} bytes`));
      } else done(null, chunk);
    },
  });
}

/** The parts of an entry's name; none for the folder itself. */
function safeName(name: string): readonly string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const leaves = name.startsWith('/') || parts.includes('..') || /[\\\0]/.test(name) ||
    /^[a-zA-Z]:/.test(name);
  if (leaves) throw new ArchiveError('path', `"${name}" in the archive would lie outside the folder`);
  return parts;
}

const FORMAT_CODES: readonly string[] = ['Z_DATA_ERROR', 'Z_BUF_ERROR', 'ERR_STREAM_PREMATURE_CLOSE'];

function asArchiveError(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!FORMAT_CODES.includes(code ?? '') && !/tar|end of (data|file)|header/i.test(message)) return error;
  return new ArchiveError('format', `not a whole tar.gz archive: ${message}`, { cause: error });
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
