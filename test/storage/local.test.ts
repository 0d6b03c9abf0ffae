import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { localSource } from '../../mod/storage/mod.ts';
import { request, temporaryFolder } from './support.ts';

let base: string;
beforeEach(async () => {
  base = await realpath(await temporaryFolder());
  await mkdir(join(base, 'data', 'sub'), { recursive: true });
  await mkdir(join(base, 'secret'));
  await writeFile(join(base, 'data', 'file'), 'data');
  await writeFile(join(base, 'secret', 'key'), 'secret');
});

const spec = (path: unknown, more = {}) => ({ Type: 'local', Params: { SourcePath: path, ...more } });
const rw = { ReadWrite: true };

/** What the source says of a path under `base`, both at bid time and when it prepares. */
async function outcome(allow: string[], path: string, more = {}): Promise<string> {
  const source = localSource({ allowList: allow.map((entry) => join(base, entry)) });
  const wanted = spec(path.startsWith('/') ? path : `${base}/${path}`, more);
  const refusal = await source.check(wanted);
  const prepared = await source.prepare(await request(wanted)).catch((error) => error);
  if (refusal === null) {
    return `${prepared.hostPath.slice(base.length + 1)} ${prepared.readOnly ? 'ro' : 'rw'}`;
  }
  expect(prepared.message).toBe(refusal.reason);
  expect(prepared.details.class).toMatch(/user|infrastructure/);
  return refusal.reason.replaceAll(base, '').replace(/^Cannot use the local path /, '');
}

const NOT_LISTED = 'is not allow-listed on this node';

describe('a local input', () => {
  test('the allow-list decides, by pattern and by right', async () => {
    expect(await outcome(['data'], 'data')).toBe('data ro');
    expect(await outcome(['data'], 'data/file')).toBe(`"/data/file": it ${NOT_LISTED}`);
    expect(await outcome(['data/**'], 'data')).toBe('data ro');
    expect(await outcome(['data/**'], 'data/sub/')).toBe('data/sub ro');
    expect(await outcome(['*/f?le'], 'data/file')).toBe('data/file ro');
    expect(await outcome(['data/**'], 'secret/key')).toBe(`"/secret/key": it ${NOT_LISTED}`);
    expect(await outcome(['data/**', 'data/**:rw'], 'data/file', rw)).toBe('data/file rw');
    expect(await outcome(['data/**:rw'], 'data/file')).toBe('data/file ro');
    expect(await outcome(['data/**:ro'], 'data/file', rw)).toBe(
      '"/data/file": it is not allow-listed for writing on this node',
    );
    expect(await outcome(['data:rw'], 'data/file', rw)).toBe(`"/data/file": it ${NOT_LISTED}`);
  });

  test('a refusal names the key to set', async () => {
    const source = localSource({ allowList: ['/nowhere'] });
    expect(await source.check(spec(join(base, 'data'), rw))).toEqual({
      code: 'Forbidden',
      reason: `Cannot use the local path "${base}/data": it is not allow-listed on this node`,
      hint:
        `Start the node with -c Compute.AllowListedLocalPaths=${base}/data:rw (or a pattern such as ${base}/**:rw).`,
      retryable: false,
    });
  });

  test('dots and links lead only where the list allows', async () => {
    await symlink(join(base, 'secret'), join(base, 'data', 'out'));
    await symlink(join(base, 'secret', 'key'), join(base, 'data', 'key'));
    await symlink(join(base, 'data'), join(base, 'in'));
    expect(await outcome(['data/**'], 'data/../secret/key')).toMatch(NOT_LISTED);
    expect(await outcome(['data/**'], 'data/out/key')).toBe(
      `"/data/out/key": what it leads to ${NOT_LISTED}`,
    );
    expect(await outcome(['data/**'], 'data/key')).toBe(`"/data/key": what it leads to ${NOT_LISTED}`);
    expect(await outcome(['data/**', 'secret/*'], 'data/key')).toBe('secret/key ro');
    // The operator may name a link; what is reached through it is then allowed.
    expect(await outcome(['in/**'], 'in/file')).toBe('data/file ro');
    expect(await outcome(['data/**:rw'], 'data/out/new', { ...rw, CreateAs: 'file' })).toMatch(NOT_LISTED);
    expect(existsSync(join(base, 'secret', 'new'))).toBe(false);
    // Nor does what the system says of the target.
    await symlink(join(base, 'secret', 'key'), join(base, 'data', 'in-file'));
    const below = await outcome(['data/**:rw', 'secret/**:rw'], 'data/in-file/x', { ...rw, CreateAs: 'dir' });
    expect(below).toBe('"/data/in-file/x": ENOTDIR');
  });

  test('a missing path is made only when asked for and allowed', async () => {
    const allow = ['data/**:rw'];
    expect(await outcome(allow, 'data/none')).toBe('"/data/none": this node has no such file or folder');
    expect(await outcome(allow, 'data/none', { CreateAs: 'dir' })).toMatch(/no such file/);
    expect(await outcome(allow, 'data/none', rw)).toMatch(/no such file/);
    expect(await outcome(allow, 'data/none', { ...rw, CreateAs: 'noCreate' })).toMatch(/no such file/);
    expect(await outcome(['data/**'], 'data/none', { ...rw, CreateAs: 'dir' })).toMatch(
      /not allow-listed for writing/,
    );
    expect(existsSync(join(base, 'data/none'))).toBe(false);
    expect(await outcome(allow, 'data/a/b', { ...rw, CreateAs: 'Dir' })).toBe('data/a/b rw');
    expect((await stat(join(base, 'data/a/b'))).isDirectory()).toBe(true);
    expect(await outcome(allow, 'data/c/d', { ReadWrite: 'true', CreateAs: 'FILE' })).toBe('data/c/d rw');
    expect((await stat(join(base, 'data/c/d'))).size).toBe(0);
    await writeFile(join(base, 'data/c/d'), 'kept');
    expect(await outcome(allow, 'data/c/d', { ...rw, CreateAs: 'file' })).toBe('data/c/d rw');
    expect((await stat(join(base, 'data/c/d'))).size).toBe(4);
  });

  test('what is no path, no file and no folder is told', async () => {
    execFileSync('mkfifo', [join(base, 'data', 'pipe')]);
    expect(await outcome(['data/**'], 'data/pipe')).toBe('"/data/pipe": it is neither a file nor a folder');
    expect(await outcome(['data/**'], 'data/file/below')).toMatch(/ENOTDIR|no such file/);
    const source = localSource({ allowList: ['/**'] });
    for (
      const [path, reason] of [['', /no SourcePath/], ['a/b', /not absolute/], [7, /must be a text/]] as const
    ) {
      expect((await source.check(spec(path)))!.reason).toMatch(reason);
    }
    expect((await source.check(spec(base, { CreateAs: 'link' })))!.reason).toMatch(/CreateAs is "link"/);
  });

  test('is there only with an allow-list, and costs no disk', async () => {
    expect(await localSource({ allowList: [] }).available()).toMatchObject({ code: 'ConfigurationError' });
    const source = localSource({ allowList: ['/x'] });
    expect(await source.available()).toBeNull();
    expect(await source.size(spec('/x'), new AbortController().signal)).toBe(0);
    expect([source.type, source.aliases]).toEqual(['local', ['localDirectory']]);
    expect(() => localSource({ allowList: ['/x/[y'] })).toThrow(/not closed/);
  });
});
