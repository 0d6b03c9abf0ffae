/** All combinations of `fdflags` and of `fstflags`, by descriptor and by path. */
import { lstatSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, Open, open, Right, underEachRuntime, type World } from './guest.ts';

const WRITE = Right.fdRead | Right.fdWrite | Right.fdSeek | Right.fdTell;
const APPEND = 1;
const ALL_FLAGS = [...Array(32).keys()];

/** `fstflags`. */
const SET = { atime: 1, atimeNow: 2, mtime: 4, mtimeNow: 8 } as const;
const COMBINATIONS = [...Array(16).keys()];

/** As the files are before, and as they are set. */
const OLD = 1_000_000_000;
const [ATIME, MTIME] = [1_111_111_111_222_333_444n, 2_222_222_222_333_444_555n];

underEachRuntime('flags', (world) => {
  const inRoot = async (given: World, calls: string[]) => await given.calls(calls, { inputs: given.root });

  it('path_open takes every combination, and only append changes where is written', async () => {
    const given = world();
    for (const flags of ALL_FLAGS) writeFileSync(given.path(`rw/f${flags}`), '0123456789');
    const answers = await inRoot(given, [
      'fill AB',
      ...ALL_FLAGS.flatMap((flags) => [
        open(`f${flags}`, { rights: WRITE, flags }),
        `fd_write $${2 + flags * 5} iov=1,1 out`,
        `fd_tell $${2 + flags * 5} out`,
        `fd_pwrite $${2 + flags * 5} iov=1 4 out`,
        `fd_fdstat_get $${2 + flags * 5} out`,
      ]),
    ]);
    expect(answers.filter(({ errno }) => errno !== 0)).toEqual([]);
    for (const flags of ALL_FLAGS) {
      const append = (flags & APPEND) !== 0;
      // On Linux what is opened to append does so at any offset.
      expect(readFileSync(given.path(`rw/f${flags}`), 'utf8'), `flags ${flags}`)
        .toBe(append ? '0123456789ABA' : 'AB23A56789');
      expect(answers[3 + flags * 5]!.u64).toBe(append ? 12n : 2n);
      expect(answers[5 + flags * 5]!.u32 >>> 16).toBe(flags);
    }
  });

  it('fd_fdstat_set_flags takes every combination at any time, also of a file that has no name any more', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), '');
    const answers = await inRoot(given, [
      open('file', { rights: WRITE | Right.fdFdstatSetFlags | Right.fdFilestatGet }),
      'path_unlink_file 3 :file',
      'fill x',
      ...ALL_FLAGS.flatMap((flags) => [
        `fd_fdstat_set_flags $1 ${flags}`,
        'fd_seek $1 0 0 out',
        'fd_write $1 iov=1 out',
        'fd_tell $1 out',
        'fd_fdstat_get $1 out',
      ]),
    ]);
    expect(answers.filter(({ errno }) => errno !== 0)).toEqual([]);
    let size = 0;
    for (const flags of ALL_FLAGS) {
      const at = 3 + flags * 5;
      size = (flags & APPEND) !== 0 ? size + 1 : Math.max(size, 1);
      expect(answers[at + 3]!.u64, `flags ${flags}`).toBe((flags & APPEND) !== 0 ? BigInt(size) : 1n);
      expect(answers[at + 4]!.u32 >>> 16).toBe(flags);
    }
  });

  it('streams and directories keep what is set; what is no flag is refused', async () => {
    const answers = await inRoot(world(), [
      'fd_fdstat_set_flags 1 5',
      'fd_fdstat_get 1 out',
      'fd_fdstat_set_flags 0 4',
      'fd_fdstat_get 0 out',
      open('.', { rights: Right.fdFdstatSetFlags, flags: 4 }),
      'fd_fdstat_set_flags $5 16',
      'fd_fdstat_get $5 out',
      'fd_fdstat_set_flags 1 32',
      'fd_fdstat_set_flags 1 -1',
      open('new', { flags: 32, oflags: Open.create }),
      open('new', { flags: -1, oflags: Open.create }),
      open('new'),
    ]);
    expect([1, 3, 6].map((index) => answers[index]!.u32 >>> 16)).toEqual([5, 4, 16]);
    const { inval } = Errno;
    expect(answers.slice(7).map(({ errno }) => errno)).toEqual([inval, inval, inval, inval, Errno.noent]);
  });
});

underEachRuntime('times', (world) => {
  /** What is to be seen of a file after its times were set with `flags`. */
  function expectTimes(path: string, flags: number, start: number): void {
    const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
    const isNow = (time: bigint) => time >= BigInt(start) * 1_000_000n;
    const old = BigInt(OLD) * 1_000_000_000n;
    const expectTime = (time: bigint, set: number, now: number, given: bigint) => {
      if ((flags & now) !== 0) expect(isNow(time), `${path} with ${flags}`).toBe(true);
      // Deno's own stat keeps milliseconds.
      else {expect(time / 1_000_000n, `${path} with ${flags}`).toBe(
          ((flags & set) !== 0 ? given : old) / 1_000_000n,
        );}
    };
    expectTime(atimeNs, SET.atime, SET.atimeNow, ATIME);
    expectTime(mtimeNs, SET.mtime, SET.mtimeNow, MTIME);
  }
  const contradicts = (flags: number) => (flags & 3) === 3 || (flags & 12) === 12;

  it.each([
    ['fd_filestat_set_times', (_name: string, fd: string) => `${fd}`],
    ['path_filestat_set_times', (name: string) => `3 0 :${name}`],
  ])('%s: every combination of given, present and left alone', async (call, which) => {
    const given = world();
    for (const flags of COMBINATIONS) {
      writeFileSync(given.path(`rw/f${flags}`), '');
      utimesSync(given.path(`rw/f${flags}`), OLD, OLD);
    }
    const start = Date.now();
    const answers = await given.errnos([
      ...COMBINATIONS.map((flags) => open(`f${flags}`, { rights: Right.fdFilestatSetTimes })),
      ...COMBINATIONS.map((flags) =>
        `${call} ${which(`f${flags}`, `$${flags + 1}`)} ${ATIME} ${MTIME} ${flags}`
      ),
      `${call} ${which('f0', '$1')} 0 0 16`,
      `${call} ${which('f0', '$1')} 0 0 -1`,
    ], { inputs: given.root });
    expect(answers.slice(16))
      .toEqual([
        ...COMBINATIONS.map((flags) => contradicts(flags) ? Errno.inval : 0),
        Errno.inval,
        Errno.inval,
      ]);
    for (const flags of COMBINATIONS) {
      expectTimes(given.path(`rw/f${flags}`), contradicts(flags) ? 0 : flags, start);
    }
  });

  it('a link itself, or what it leads to; a directory; what nothing is written to', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), '');
    symlinkSync('file', given.path('rw/link'));
    utimesSync(given.path('rw/file'), OLD, OLD);
    expect(
      await given.errnos([
        `path_filestat_set_times 3 0 :link ${ATIME} ${MTIME} 5`,
        `path_filestat_set_times 3 1 :link ${ATIME + 1_000_000_000n} ${MTIME} 1`,
        `fd_filestat_set_times 3 ${ATIME} ${MTIME} 5`,
        'fd_filestat_set_times 0 0 0 2',
      ], { inputs: given.root }),
    ).toEqual([0, 0, 0, Errno.notcapable]);
    const times = (name: string) => {
      const { atimeNs, mtimeNs } = lstatSync(given.path(name), { bigint: true });
      return [atimeNs, mtimeNs].map((time) => time / 1_000_000_000n);
    };
    const seconds = [ATIME, MTIME].map((time) => time / 1_000_000_000n);
    expect(times('rw/link')[1]).toBe(seconds[1]);
    expect(times('rw/file')).toEqual([seconds[0]! + 1n, BigInt(OLD)]);
    expect(times('rw')[1]).toBe(seconds[1]);
  });
});
