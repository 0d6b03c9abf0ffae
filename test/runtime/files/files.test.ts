import { link, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { ContainedFiles } from '../../../runtime/files/mod.ts';

const folders: string[] = [];
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'files-'));
  folders.push(path);
  return path;
}
afterEach(async () => {
  for (const path of folders.splice(0)) await rm(path, { recursive: true, force: true });
});

it('usage is what files below take on the disk: links are not followed, names of one file count once', async () => {
  const root = await folder();
  const outside = await folder();
  const megabyte = new Uint8Array(1024 * 1024).fill(7);
  await writeFile(join(outside, 'big'), megabyte);
  await mkdir(join(root, 'a/b'), { recursive: true });
  await writeFile(join(root, 'a/b/file'), megabyte, { flush: true });
  await link(join(root, 'a/b/file'), join(root, 'again'));
  await symlink(outside, join(root, 'folder'));
  await symlink(join(outside, 'big'), join(root, 'file'));
  const sparse = await open(join(root, 'sparse'), 'w');
  await sparse.truncate(100 * 1024 * 1024);
  await sparse.close();
  using files = new ContainedFiles(root);
  const used = await files.usage(root);
  expect(used).toBeGreaterThanOrEqual(megabyte.length);
  expect(used).toBeLessThan(1.5 * megabyte.length);
});

it('usage of what is absent is nothing', async () => {
  const root = await folder();
  using files = new ContainedFiles(root);
  expect(await files.usage(join(root, 'none'))).toBe(0);
});

it('a copy takes the place of the file that is there; of nothing there is none', async () => {
  const root = await folder();
  using files = new ContainedFiles(root);
  await writeFile(join(root, 'from'), 'new');
  await writeFile(join(root, 'to'), 'old');
  await files.copy(join(root, 'from'), join(root, 'to'));
  expect(await readFile(join(root, 'to'), 'utf8')).toBe('new');
  await files.copy(join(root, 'none'), join(root, 'other'));
  expect(await files.names(root)).toEqual(['from', 'to']);
});
