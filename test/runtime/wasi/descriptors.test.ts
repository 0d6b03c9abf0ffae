/** Numbers that are exchanged (`fd_renumber`) and listings that go on (`fd_readdir`), whatever happens meanwhile. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { Errno, open, Right, underEachRuntime, type World } from './guest.ts';

const READ = Right.fdRead;
const DIRECTORY = Right.fdReaddir | Right.pathOpen | Right.pathUnlinkFile;

underEachRuntime('numbers', (world) => {
  const errnos = async (given: World, calls: string[]) => await given.errnos(calls, { inputs: given.root });

  it('a preopened directory moves with its name; what it moves onto is closed', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), 'abc');
    const answers = await given.calls([
      open('file', { rights: READ }),
      'fd_renumber 3 4',
      'fd_prestat_get 4 out',
      'fd_prestat_dir_name 4 buf 1',
      'text 1',
      open('file', { dir: 4, rights: READ }),
      'fd_read $6 iov=3 out',
      'fd_prestat_get 3 out',
      'fd_renumber 4 4',
      'fd_renumber 4 3',
      open('file', { dir: 4 }),
    ], { inputs: given.root });
    const { badf } = Errno;
    // The file that was 4 is closed; the number 3 is free, so the next file is 3, which no preopened directory is.
    expect(answers.map(({ errno }) => errno).filter((_, index) => index !== 4))
      .toEqual([0, 0, 0, 0, 0, 0, Errno.notdir, 0, 0, badf]);
    expect([answers[0]!.u32, answers[4]!.text, answers[5]!.u32]).toEqual([4, '/', 3]);
  });

  it('a directory that moves onto the root takes its place, without its name', async () => {
    const given = world();
    mkdirSync(given.path('rw/dir'));
    writeFileSync(given.path('rw/dir/inner'), '');
    expect(
      await errnos(given, [
        open('dir', { rights: DIRECTORY, inheriting: READ }),
        'fd_renumber $1 3',
        'fd_prestat_get 3 out',
        open('inner', { rights: READ }),
        open('dir'),
        open('../dir'),
        'fd_renumber 3 $1',
      ]),
    ).toEqual([0, 0, Errno.badf, 0, Errno.noent, Errno.notcapable, 0]);
  });

  it('a preopened directory can be closed, and then there is no way in', async () => {
    expect(await errnos(world(), ['fd_close 3', open('file'), 'fd_prestat_get 3 out', 'fd_renumber 3 0']))
      .toEqual([0, Errno.badf, Errno.badf, Errno.badf]);
  });

  it('standard streams: a file takes the place of output, output that of a file', async () => {
    const given = world();
    const { stdout, stderr } = await given.run([
      open('file', { oflags: 1, rights: Right.fdWrite }),
      'fill streams',
      'fd_renumber 2 $1',
      'fd_write $1 iov=3 out',
      open('file', { rights: Right.fdWrite }),
      'fd_renumber $5 0',
      'fd_write 0 iov=7 out',
    ], { inputs: given.root });
    expect(stdout.trimEnd().split('\n').map((line) => line.split(' ')[0])).toEqual(Array(7).fill('0'));
    expect(stderr).toBe('str');
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('streams');
  });

  it('exchanges leave nothing open, here or on the host', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), 'abc');
    const answers = await given.calls([
      // Twice as often as the process may have files open.
      'loop 2000 4',
      open('file', { rights: READ }),
      open('file', { rights: READ }),
      'fd_renumber 5 4',
      'fd_close 4',
      open('file'),
    ], { inputs: given.root });
    expect(answers.slice(0, 4).map(({ text }) => text)).toEqual(Array(4).fill('2000'));
    expect(answers.at(-1)!.u32).toBe(4);
  });
});

underEachRuntime('listings that go on', (world) => {
  it('what is made or removed meanwhile: each entry that stays is listed just once', async () => {
    const given = world();
    for (const name of ['b', 'd', 'f']) writeFileSync(given.path('rw', name), '');
    // `.` 25, `..` 26, `wasm` 28 bytes, the files 25 each.
    const answers = await given.calls([
      'fd_readdir 3 buf 104 0 out',
      'name 103 1',
      open('a', { oflags: 1 }),
      open('z', { oflags: 1 }),
      'path_unlink_file 3 :d',
      'path_rename 3 :f 3 :g',
      'fd_readdir 3 buf 65536 4 out',
      'name 24 1',
      'name 49 1',
      // Its kind cannot be told any more.
      'word 20',
      'fd_readdir 3 buf 65536 0 out',
      'name 103 1',
      'name 128 1',
      'name 153 1',
      'name 178 1',
    ], { inputs: given.root });
    expect(answers[1]!.text).toBe('b');
    expect(answers[6]!.u32).toBe(50);
    expect(answers.slice(7, 10).map(({ text }) => text)).toEqual(['d', 'f', '0']);
    expect(answers[10]!.u32).toBe(25 + 26 + 28 + 4 * 25);
    expect(answers.slice(11).map(({ text }) => text)).toEqual(['a', 'b', 'g', 'z']);
  });

  it('cookies beyond the end, and of a directory that was not listed before', async () => {
    const given = world();
    mkdirSync(given.path('rw/dir'));
    for (const name of ['one', 'two']) writeFileSync(given.path('rw/dir', name), '');
    const answers = await given.calls([
      open('dir', { rights: DIRECTORY }),
      'fd_readdir $1 buf 65536 3 out',
      'name 24 3',
      'fd_readdir $1 buf 65536 4 out',
      'fd_readdir $1 buf 65536 5 out',
      'fd_readdir $1 buf 65536 -1 out',
      'fd_readdir $1 buf 65536 0x8000000000000000 out',
      'fd_readdir $1 buf 23 2 out',
      'fd_readdir $1 buf 24 2 out',
      'fd_renumber $1 3',
      'fd_readdir 3 buf 65536 2 out',
    ], { inputs: given.root });
    expect(answers[1]!.u32).toBe(27);
    expect(answers[2]!.text).toBe('two');
    const { inval } = Errno;
    expect(answers.slice(3).map(({ errno, u32 }) => [errno, u32]))
      .toEqual([[0, 0], [inval, 0], [inval, 0], [inval, 0], [0, 23], [0, 24], [0, 0], [0, 54]]);
  });

  it('kinds: directory, file, link, pipe; a name that is no UTF-8 does not end the listing', async () => {
    const given = world();
    mkdirSync(given.path('rw/a'));
    writeFileSync(given.path('rw/b'), '');
    symlinkSync('b', given.path('rw/c'));
    const made = spawnSync('sh', ['-c', 'mkfifo d; touch "$(printf "e\\377")"'], { cwd: given.path('rw') });
    expect(made.status).toBe(0);
    const answers = await given.calls([
      'fd_readdir 3 buf 65536 3 out',
      ...[0, 1, 2, 3].flatMap((entry) => [`name ${entry * 25 + 24} 1`, `word ${entry * 25 + 20}`]),
    ], { inputs: given.root });
    // What follows the kind are three bytes of nothing.
    expect(answers.slice(1).map(({ text }) => text)).toEqual(['a', '3', 'b', '4', 'c', '7', 'd', '0']);
    expect(answers[0]!.u32).toBeGreaterThan(4 * 25 + 24);
  });
});
