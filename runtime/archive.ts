/**
 * Folders as gzip-compressed tars, both ways. Only regular files and folders exist for us: links, devices and pipes are
 * neither packed nor unpacked, so that nothing a program left in its results, and nothing in an archive from elsewhere, can
 * lead outside the folder.
 *
 * Packing the same content gives the same bytes: entries in byte order, no times, no owners, modes 0644 or 0755.
 * Unpacking counts every byte that comes out of the decompressor, headers included, before it is used. What an entry may be
 * is decided in one place: a reader either refuses an archive with a bad one, or leaves that out and is told.
 */
import { Buffer } from 'node:buffer';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import { ContainedFiles } from './files/mod.ts';
import { gzip } from './gzip.ts';
import { addMemoryPressure } from './memory_pressure.ts';

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
/** Bytes that large files and archives are read by. */
const CHUNK = 256 * 1024;
const EPOCH = new Date(0);
const WINDOWS = process.platform === 'win32';

/** Told of an entry that is left out. */
export type OnSkip = (name: string, why: string) => void;

/** Writes the folder as tar.gz; the first entry is `.`, names are relative. Ends `to`. */
export async function packFolder(folder: string, to: Writable, signal?: AbortSignal): Promise<void> {
  const pack = tar.pack();
  // Asked for before anything can fail: a stream that is broken already tells nobody.
  const chunks = pack[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
  const filled = fill(pack, folder).catch((error: Error) => pack.destroy(error));
  try {
    await pipeline(Readable.from(gzip(chunks), { objectMode: false }), to, { ...(signal && { signal }) });
  } finally {
    pack.destroy();
  }
  await filled;
}

/**
 * Unpacks a tar.gz into an existing folder. What was unpacked before an error stays. Without `onSkip` a bad name is an error
 * and a file of the same name is replaced. With it, bad entries and names that are there already are left out.
 * @throws ArchiveError
 */
export async function unpackArchive(
  from: AsyncIterable<Uint8Array>,
  folder: string,
  limits: UnpackLimits,
  signal?: AbortSignal,
  onSkip?: OnSkip,
): Promise<Unpacked> {
  using files = new ContainedFiles(folder);
  const { O_WRONLY, O_CREAT, O_EXCL, O_TRUNC } = constants;
  const flags = O_WRONLY | O_CREAT | (onSkip ? O_EXCL : O_TRUNC);
  return await readEntries(from, limits, signal, onSkip, async (name, { type, mode }, content) => {
    const path = join(folder, ...name);
    await files.makeFolder(type === 'directory' ? path : dirname(path), 0o755);
    if (type === 'directory') return content.resume() as unknown as void;
    const file = await files.open(path, flags, (mode & 0o111) === 0 ? 0o644 : 0o755);
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
  from: AsyncIterable<Uint8Array>,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<Unpacked> {
  return readEntries(from, limits, signal, undefined, (_name, _header, content) => {
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
    const content = createReadStream(path, {
      fd: file.fd,
      autoClose: false,
      start: 0,
      end: size - 1,
      highWaterMark: CHUNK,
    });
    await pipeline(content, entry);
  } finally {
    await file.close();
  }
}

type OnEntry = (name: readonly string[], header: tar.Header, content: Readable) => Promise<void>;

async function readEntries(
  from: AsyncIterable<Uint8Array>,
  limits: UnpackLimits,
  signal: AbortSignal | undefined,
  onSkip: OnSkip | undefined,
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
      const bad = whyBad(header, WINDOWS ? 'windows' : onSkip ? 'posix' : 'portable');
      if (bad?.kind === 'path' && !onSkip) throw bad;
      if (bad) onSkip?.(header.name, bad.message);
      const name = partsOf(header.name);
      if (bad || name.length === 0) {
        entry.resume();
        continue;
      }
      if (isFile && header.size > maxFileBytes) {
        throw new ArchiveError(
          'limit',
          `"${header.name}" in the archive is larger than ${maxFileBytes} bytes`,
        );
      }
      try {
        await onEntry(name, header, entry as unknown as Readable);
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        const why = REFUSED_NAMES[code];
        if (!why) throw error;
        if (!onSkip) {
          throw new ArchiveError('path', `"${header.name}" in the archive: ${why}`, { cause: error });
        }
        onSkip(header.name, why);
        entry.resume();
        continue;
      }
      if (isFile) {
        files++;
        bytes += header.size;
      }
    }
  };
  const flow = pipeline(
    from,
    createGunzip({ chunkSize: CHUNK }),
    limitBytes(maxBytes),
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

/** Passes bytes on until there are more than allowed: then it fails with an `ArchiveError` of kind `limit`. */
export function limitBytes(maxBytes: number): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      addMemoryPressure(chunk.length);
      if (total > maxBytes) {
        done(new ArchiveError('limit', `there are more than ${maxBytes} bytes`));
      } else done(null, chunk);
    },
  });
}

/** What the file system says of a name that it does not take, or has already. */
const REFUSED_NAMES: Readonly<Record<string, string>> = {
  EEXIST: 'there is one of that name already',
  ENOTDIR: 'it leads outside the folder, by a file or a link in its way',
  ELOOP: 'it leads outside the folder, by a link of that name',
  EISDIR: 'there is a folder of that name already',
  ENAMETOOLONG: 'the name is too long',
  EILSEQ: 'no file here can be named so',
  EINVAL: 'no file here can be named so',
};

/** Why an entry is not unpacked; `format` is no danger, only nothing that we make. */
function whyBad({ name, type, pax }: tar.Header, rules: NameRules): ArchiveError | undefined {
  const why = unsafeName(name, rules);
  if (why) return new ArchiveError('path', `"${name}" in the archive ${why}`);
  if (type !== 'file' && type !== 'contiguous-file' && type !== 'directory') {
    return new ArchiveError('format', `it is a ${type ?? 'kind of entry that is not known'}`);
  }
  const sparse = Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
  return sparse ? new ArchiveError('format', 'it is a sparse file') : undefined;
}

const RESERVED =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|$)/i;

/** `portable`: no name that would lead elsewhere on any system. `windows`: nor one that Windows does not take. */
export type NameRules = 'posix' | 'portable' | 'windows';

/** Why no file may be named so. */
export function unsafeName(name: string, rules: NameRules): string | undefined {
  const parts = name.split('/');
  const leaves = name.startsWith('/') || parts.includes('..') || name.includes('\0') ||
    (rules !== 'posix' && (name.includes('\\') || /^[a-zA-Z]:/.test(name)));
  if (leaves) return 'would lie outside the folder';
  const reserved = (part: string) =>
    // deno-lint-ignore no-control-regex
    RESERVED.test(part) || /[\x00-\x1f<>:"|?*]/.test(part) || (/[. ]$/.test(part) && part !== '.');
  return rules === 'windows' && parts.some(reserved) ? 'has a name that Windows does not take' : undefined;
}

/** The parts of an entry's name; none for the folder itself. */
function partsOf(name: string): readonly string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
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
