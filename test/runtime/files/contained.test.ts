/** Files below one folder: no name, no link and no exchange of links leads anywhere else. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ContainedFiles,
  makeFolderNow,
  openNow,
  removeNow,
  renameNow,
  writeNow,
} from '../../../runtime/files/mod.ts';
import { temporaryFolder } from '../../support/program.ts';

let base: Awaited<ReturnType<typeof temporaryFolder>>;
let root: string;
let victim: string;
let files: ContainedFiles;

beforeEach(async () => {
  base = await temporaryFolder();
  root = join(base.path, 'data');
  victim = join(base.path, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'keep'), 'precious');
  files = new ContainedFiles(root);
});
afterEach(async () => {
  expect(readdirSync(victim)).toEqual(['keep']);
  expect(readFileSync(join(victim, 'keep'), 'utf8')).toBe('precious');
  expect(readdirSync(base.path).sort()).toEqual(['data', 'victim']);
  files[Symbol.dispose]();
  await base[Symbol.asyncDispose]();
});

/** Each operation that changes something, at a path. */
const CHANGES: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  makeFolder: (path) => files.makeFolder(path),
  remove: (path) => files.remove(path),
  write: (path) => files.write(path, 'x'),
  create: (path) => files.create(path).then((file) => file.close()),
  copy: async (path) => {
    await files.write(join(root, 'source'), 'x');
    await files.copy(join(root, 'source'), path);
  },
  'rename to': async (path) => {
    await files.write(join(root, 'source'), 'x');
    await files.rename(join(root, 'source'), path);
  },
  'rename from': (path) => files.rename(path, join(root, 'taken')),
};

describe.each(Object.keys(CHANGES))('%s', (name) => {
  it.each([
    '../victim',
    'a/../../victim',
    '..',
    './victim',
    '',
    'a//b',
    'a/./b',
    'nul\0l',
    `${'x'.repeat(256)}`,
  ])(
    'refuses the name %j',
    async (hostile) => {
      await expect(CHANGES[name]!(`${root}/${hostile}/keep`)).rejects.toThrow(/no path of plain names below/);
    },
  );

  it('refuses a path outside', async () => {
    for (const path of [join(victim, 'keep'), `${root}x/keep`, 'victim/keep', '/']) {
      await expect(CHANGES[name]!(path)).rejects.toThrow(/no path of plain names below/);
    }
  });

  it('follows no link on the way', async () => {
    symlinkSync(victim, join(root, 'link'));
    if (name === 'remove') {
      await expect(CHANGES[name]!(join(root, 'link/keep'))).rejects.toThrow(/links are not followed/);
    } else {await expect(CHANGES[name]!(join(root, 'link/keep'))).rejects.toThrow(
        /links are not followed|ENOTDIR/,
      );}
    expect(() => readdirSync(join(root, 'link'))).not.toThrow();
  });
});

it('a link at the end is replaced, removed or refused, never followed', async () => {
  const link = (name: string) => symlinkSync(join(victim, 'keep'), join(root, name));
  link('written');
  await files.write(join(root, 'written'), 'mine');
  link('removed');
  await files.remove(join(root, 'removed'));
  link('opened');
  expect(() => openNow(join(root, 'opened'), 1)).toThrow(/ELOOP/);
  expect(() => writeNow(join(root, 'opened'), Buffer.from('x'), 0o600)).toThrow(/EEXIST/);
  symlinkSync(victim, join(root, 'folder'));
  await expect(files.makeFolder(join(root, 'folder'))).rejects.toThrow(/links are not followed/);
  expect(() => makeFolderNow(join(root, 'folder'), 0o777)).toThrow(/links are not followed/);
  expect(await files.usage(join(root, 'folder'))).toBeLessThan(100_000);
  removeNow(join(root, 'folder'));
  expect(() => renameNow(join(root, 'written'), '../victim/keep')).toThrow(/as the name of a file/);
  expect(readdirSync(root).sort()).toEqual(['opened', 'written']);
  expect(readFileSync(join(root, 'written'), 'utf8')).toBe('mine');
});

it('errors name the path that was meant', async () => {
  await files.write(join(root, 'file'), '');
  await expect(files.makeFolder(join(root, 'file/below'))).rejects.toThrow(/ENOTDIR: "file" is no folder/);
  await expect(files.create(join(root, 'file'))).rejects.toThrow(`'${join(root, 'file')}'`);
});

it('folders nested without end are no way around a limit, and are removed', async () => {
  const deep = Array.from({ length: 300 }, () => 'd').join('/');
  await files.makeFolder(join(root, deep));
  expect(await files.usage(join(root, 'd'))).toBe(Infinity);
  await files.remove(join(root, 'd'));
  expect(readdirSync(root)).toEqual([]);
});

it('once disposed, no handle of it is used any more', async () => {
  const other = new ContainedFiles(root);
  other[Symbol.dispose]();
  await expect(other.write(join(root, 'late'), 'x')).rejects.toThrow(/EBADF/);
});

/** Somebody who exchanges `name` for a link to the victim and back, as fast as he can, until told to stop. */
function exchanging(folder: string, name: string): { stop(): Promise<number> } {
  const [path, aside] = [join(folder, name), join(folder, `${name}.aside`)];
  let going = true;
  let rounds = 0;
  const loop = (async () => {
    for (; going; rounds++) {
      try {
        renameSync(path, aside);
        symlinkSync(victim, path);
        await setImmediate();
        removeNow(path);
        renameSync(aside, path);
      } catch {
        // The other side has removed or made something: from the beginning.
        await files.remove(path).catch(() => {});
        await files.makeFolder(path).catch(() => {});
      }
      await setImmediate();
    }
  })();
  return {
    async stop() {
      going = false;
      await loop;
      return rounds;
    },
  };
}

it.skipIf(process.platform !== 'linux')(
  'an exchange of folders for links meanwhile changes nothing outside',
  async () => {
    const run = join(root, 'run');
    mkdirSync(join(run, 'results'), { recursive: true });
    const attacker = exchanging(run, 'results');
    for (let round = 0; round < 300; round++) {
      const path = join(run, 'results', 'deep', 'keep');
      const step = [
        () => files.makeFolder(join(run, 'results', 'deep')),
        () => files.write(path, 'x'),
        () => files.visit(join(run, 'results'), ({ chmod }) => chmod(0o700)),
        () => files.remove(join(run, 'results', 'deep')),
        () => files.remove(join(run, 'results', 'keep')),
      ][round % 5]!;
      await step().catch((error: Error) => expect(error.message).toMatch(/ENO|ELOOP|EEXIST|EISDIR|links/));
    }
    expect(await attacker.stop()).toBeGreaterThan(10);
  },
);

it.skipIf(process.platform !== 'linux')(
  'removing a tree, nothing is removed through a folder exchanged for a link',
  async () => {
    for (let round = 0; round < 20; round++) {
      const tree = join(root, `tree${round}`);
      for (let index = 0; index < 40; index++) {
        mkdirSync(join(tree, `d${index}`), { recursive: true });
        writeFileSync(join(tree, `d${index}`, 'keep'), '');
      }
      const attackers = ['d5', 'd20', 'd39'].map((name) => exchanging(tree, name));
      await files.remove(tree).catch(() => {});
      for (const attacker of attackers) await attacker.stop();
      expect(existsSync(join(victim, 'keep'))).toBe(true);
      await files.remove(tree);
    }
  },
);
