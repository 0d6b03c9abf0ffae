/**
 * A module directly in a runtime: `bun direct.mjs FILE [ARG...]`. As little of WASI as the programs of the bench need,
 * written for nothing but speed and sharing no line with runtime/wasi. Tells on stderr the milliseconds from before
 * the file is read to the first output and to the end.
 */
import { readFileSync, writeSync } from 'node:fs';
import process from 'node:process';

const [file, ...args] = process.argv.slice(2);
const begin = performance.now();
let first = 0;

const view = () => new DataView(memory.buffer);
const strings = [file, ...args].map((text) => new TextEncoder().encode(`${text}\0`));
const EBADF = 8;
const ENOSYS = 52;
class Exit extends Error {}

const known = {
  args_sizes_get(count, size) {
    view().setUint32(count, strings.length, true);
    view().setUint32(size, strings.reduce((sum, { length }) => sum + length, 0), true);
    return 0;
  },
  args_get(table, buffer) {
    for (const bytes of strings) {
      view().setUint32(table, buffer, true);
      new Uint8Array(memory.buffer).set(bytes, buffer);
      table += 4;
      buffer += bytes.length;
    }
    return 0;
  },
  environ_sizes_get(count, size) {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  },
  environ_get: () => 0,
  clock_time_get(_id, _precision, result) {
    view().setBigUint64(result, process.hrtime.bigint(), true);
    return 0;
  },
  random_get(buffer, length) {
    crypto.getRandomValues(new Uint8Array(memory.buffer, buffer, length));
    return 0;
  },
  fd_fdstat_get(fd, result) {
    if (fd > 2) return EBADF;
    new Uint8Array(memory.buffer, result, 24).fill(0);
    view().setUint8(result, 2);
    view().setBigUint64(result + 8, ~0n, true);
    return 0;
  },
  fd_prestat_get: () => EBADF,
  fd_close: () => 0,
  fd_write(fd, list, count, result) {
    first ||= performance.now();
    let total = 0;
    for (; count > 0; count--, list += 8) {
      const length = view().getUint32(list + 4, true);
      total += writeSync(fd, new Uint8Array(memory.buffer, view().getUint32(list, true), length));
    }
    view().setUint32(result, total, true);
    return 0;
  },
  proc_exit() {
    throw new Exit();
  },
};

const wasi = new Proxy(known, { get: (target, name) => target[name] ?? (() => ENOSYS) });
const module = new WebAssembly.Module(readFileSync(file));
const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi });
const { memory } = instance.exports;
try {
  instance.exports._start();
} catch (error) {
  if (!(error instanceof Exit)) throw error;
}
const end = performance.now();
process.stderr.write(`${JSON.stringify({ first: first - begin, end: end - begin })}\n`);
