/** Which modules of earlier runs a new process finds. */
import { mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { contentHash, MAX_STORED_BYTES, ModuleStore } from '../../../runtime/wasi/module_store.ts';

const MIB = 2 ** 20;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'module-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function use(store: ModuleStore, content: number, size = MIB, pages = 16): string {
  const bytes = new Uint8Array(size).fill(content);
  const hash = contentHash(bytes);
  store.use(hash, pages, bytes);
  return join(folder, `${hash}-${pages}.wasm`);
}

/** The first byte of each, last used first. */
const contents = (store: ModuleStore) => [...store.recent()].map(({ bytes }) => bytes[0]);

test('what was used last comes first, each for the memory that it was compiled for', () => {
  const store = new ModuleStore(folder);
  utimesSync(use(store, 1), 1000, 1000);
  utimesSync(use(store, 2), 2000, 2000);
  utimesSync(use(store, 3, MIB, 32), 500, 500);
  expect(contents(new ModuleStore(folder))).toEqual([2, 1, 3]);
  expect([...store.recent()].map(({ pages }) => pages)).toEqual([16, 16, 32]);
  use(store, 1);
  expect(contents(store)).toEqual([1, 2, 3]);
  expect(readdirSync(folder)).toHaveLength(3);
});

test('small ones and very large ones are not kept', () => {
  const store = new ModuleStore(folder);
  use(store, 1, 1000);
  use(store, 2, MAX_STORED_BYTES + 1);
  expect(readdirSync(folder)).toEqual([]);
});

test('the oldest go: when there are too many, and when they are too large together', () => {
  const store = new ModuleStore(folder);
  for (let content = 1; content <= 12; content++) {
    utimesSync(use(store, content), 1000 * content, 1000 * content);
  }
  expect(contents(store)).toEqual([12, 11, 10, 9, 8, 7, 6, 5]);
  use(store, 13, MAX_STORED_BYTES - MIB);
  expect(contents(store)).toEqual([13, 12]);
});

test('without its folder, or with foreign and broken files in it, nothing fails', () => {
  const store = new ModuleStore(folder);
  writeFileSync(join(folder, 'else'), 'x');
  truncateSync(use(store, 1), 10);
  expect(contents(store)).toEqual([1]);
  rmSync(folder, { recursive: true });
  use(store, 2);
  expect(contents(store)).toEqual([]);
});
