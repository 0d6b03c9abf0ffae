/** WASI preview 1: `fd_readdir`. Host entries and mount points of one directory as one listing. */
import { Buffer } from 'node:buffer';
import { readdirSync } from 'node:fs';
import { Errno } from './errno.ts';
import { FileType, fileType } from './filestat.ts';
import type { Family } from './host.ts';
import { Right } from './rights.ts';
import { type Location, mountedNames, Place } from './tree.ts';

/** d_next u64, d_ino u64, d_namlen u32, d_type u8, 3 bytes of nothing; then the name. */
const HEADER = 24;

function listing(location: Location): string[] {
  const { directory } = location;
  const names = new Set(['.', '..', ...mountedNames(location)]);
  if (directory) { for (const name of readdirSync(directory.self).sort()) names.add(name); }
  return [...names];
}

/** What an entry is now; it may be gone since the listing was taken. `..` says nothing of what is above. */
function describe(location: Location, name: string): { type: number; inode: bigint } {
  if (name === '..') return { type: FileType.directory, inode: 0n };
  const place = new Place(location, name, false);
  const stat = place.stat();
  if (stat) return { type: fileType(stat), inode: stat.ino };
  return { type: place.virtual ? FileType.directory : FileType.unknown, inode: place.id };
}

export const readdir: Family = ({ memory, descriptors }) => ({
  fd_readdir(fd: number, buffer: number, length: number, cookie: bigint, result: number) {
    const directory = descriptors.directory(fd, Right.fdReaddir);
    const target = memory.bytes(buffer, length);
    memory.check(result, 4);
    if (cookie === 0n || !directory.names) directory.names = listing(directory.location);
    const { names, location } = directory;
    const start = BigInt.asUintN(64, cookie);
    if (start > BigInt(names.length)) return Errno.inval;
    let used = 0;
    for (let index = Number(start); index < names.length && used < target.length; index++) {
      const name = Buffer.from(names[index]!);
      const { type, inode } = describe(location, names[index]!);
      const bytes = new Uint8Array(HEADER + name.length);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, BigInt(index + 1), true);
      view.setBigUint64(8, inode, true);
      view.setUint32(16, name.length, true);
      view.setUint8(20, type);
      bytes.set(name, HEADER);
      // An entry cut by the end of the buffer tells the guest to come again with a larger one.
      const part = bytes.subarray(0, target.length - used);
      target.set(part, used);
      used += part.length;
    }
    memory.setU32(result, used);
  },
});
