/** WASI preview 1: `fd_readdir`. Host entries and mount points of one directory as one listing. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DirectoryEntry } from './descriptors.ts';
import { Errno } from './errno.ts';
import { FileType, fileType } from './filestat.ts';
import type { Family } from './host.ts';
import type { Tree } from './tree.ts';

/** d_next u64, d_ino u64, d_namlen u32, d_type u8, 3 bytes of nothing; then the name. */
const HEADER = 24;

function listing(tree: Tree, path: readonly string[]): DirectoryEntry[] {
  const place = tree.locate(path);
  const entries = new Map<string, DirectoryEntry>();
  for (const name of ['.', '..']) entries.set(name, { name, type: FileType.directory, inode: 0n });
  if (place.hostPath !== null) {
    for (const name of readdirSync(place.hostPath).sort()) {
      const stat = lstatSync(join(place.hostPath, name), { bigint: true, throwIfNoEntry: false });
      if (stat) entries.set(name, { name, type: fileType(stat), inode: stat.ino });
    }
  }
  for (const name of place.mounted) {
    const { hostPath } = tree.locate([...path, name]);
    const stat = hostPath === null ? null : lstatSync(hostPath, { bigint: true });
    entries.set(name, { name, type: stat ? fileType(stat) : FileType.directory, inode: stat?.ino ?? 0n });
  }
  return [...entries.values()];
}

export const readdir: Family = ({ memory, descriptors, tree }) => ({
  fd_readdir(fd: number, buffer: number, length: number, cookie: bigint, result: number) {
    const directory = descriptors.directory(fd);
    if (cookie === 0n || !directory.entries) directory.entries = listing(tree, directory.path);
    const start = Number(BigInt.asUintN(64, cookie));
    if (start > directory.entries.length) return Errno.inval;
    const target = memory.bytes(buffer, length);
    let used = 0;
    for (let index = start; index < directory.entries.length && used < target.length; index++) {
      const { name, type, inode } = directory.entries[index]!;
      const bytes = new Uint8Array(HEADER + Buffer.byteLength(name));
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, BigInt(index + 1), true);
      view.setBigUint64(8, inode, true);
      view.setUint32(16, bytes.length - HEADER, true);
      view.setUint8(20, type);
      bytes.set(Buffer.from(name), HEADER);
      // An entry cut by the end of the buffer tells the guest to come again with a larger one.
      const part = bytes.subarray(0, target.length - used);
      target.set(part, used);
      used += part.length;
    }
    memory.setU32(result, used);
  },
});
