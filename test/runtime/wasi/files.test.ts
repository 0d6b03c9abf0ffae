/** WASI `fd_*` on files: reading, writing, positions, flags, sizes, times, rights, numbers; each errno they can give. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, open, Right, underEachRuntime, type World } from './guest.ts';

const ALL = (1n << 30n) - 1n;
const READ = Right.fdRead | Right.fdSeek | Right.fdTell;
const WRITE = Right.fdWrite | Right.fdSeek | Right.fdTell;

function withFile(world: World, content: string): World {
  writeFileSync(world.path('rw/file'), content);
  return world;
}

underEachRuntime('files', (world) => {
  const inRoot = async (given: World, calls: string[]) => await given.calls(calls, { inputs: given.root });
  const errnos = async (given: World, calls: string[]) => await given.errnos(calls, { inputs: given.root });

  it('fd_read fills buffers in turn, is short at the end and then 0', async () => {
    const answers = await inRoot(withFile(world(), 'abcdefghij'), [
      open('file', { rights: READ }),
      'fd_read $1 iov=3,0,4 out',
      'text 7',
      'fd_tell $1 out',
      'fd_read $1 iov=8 out',
      'fd_read $1 iov=8 out',
      'fd_read $1 iov=0 out',
    ]);
    expect(answers.map(({ errno }) => errno).filter((errno) => errno > 0)).toEqual([]);
    expect(answers[1]!.u32).toBe(7);
    expect(answers[2]!.text).toBe('abcdefg');
    expect(answers[3]!.u64).toBe(7n);
    expect(answers.slice(4).map(({ u32 }) => u32)).toEqual([3, 0, 0]);
  });

  it('fd_pread and fd_pwrite leave the position alone', async () => {
    const given = withFile(world(), '0123456789');
    const answers = await inRoot(given, [
      open('file', { rights: READ | WRITE }),
      'fd_pread $1 iov=4 6 out',
      'text 4',
      'fill XY',
      'fd_pwrite $1 iov=1,1 2 out',
      'fd_tell $1 out',
      'fd_pread $1 iov=4 100 out',
      'fd_pread $1 iov=4 -1 out',
      'fd_pwrite $1 iov=4 -1 out',
    ]);
    expect(answers[2]!.text).toBe('6789');
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('01XY456789');
    expect(answers[5]!.u64).toBe(0n);
    expect(answers[6]!.u32).toBe(0);
    expect(answers.slice(7).map(({ errno }) => errno)).toEqual([Errno.inval, Errno.inval]);
  });

  it('fd_write goes on at the position, append mode at the end; the flags change while it is open', async () => {
    const given = withFile(world(), 'start');
    const answers = await inRoot(given, [
      open('file', { rights: READ | WRITE | Right.fdFdstatSetFlags, flags: 1 }),
      'fill 12',
      'fd_write $1 iov=2 out',
      'fd_tell $1 out',
      'fd_fdstat_set_flags $1 0',
      'fd_seek $1 0 0 out',
      'fill _',
      'fd_write $1 iov=1 out',
      'fd_fdstat_set_flags $1 1',
      'fill !',
      'fd_write $1 iov=1 out',
      'fd_fdstat_get $1 out',
      'fd_fdstat_set_flags $1 32',
      'fd_fdstat_set_flags $1 22',
      'fd_write $1 iov=1 out',
    ]);
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('_tart12!!');
    expect(answers[3]!.u64).toBe(7n);
    // File type 4 in the first byte, flags in the third.
    expect(answers[11]!.u32).toBe(4 + (1 << 16));
    expect(answers[12]!.errno).toBe(Errno.inval);
    expect(answers.slice(13).map(({ errno }) => errno)).toEqual([0, 0]);
  });

  it('fd_seek from start, position and end; nowhere before the start', async () => {
    const answers = await inRoot(withFile(world(), '0123456789'), [
      open('file', { rights: READ }),
      'fd_seek $1 4 0 out',
      'fd_seek $1 -2 1 out',
      'fd_seek $1 -1 2 out',
      'fd_seek $1 5 2 out',
      'fd_seek $1 -1 0 out',
      'fd_seek $1 -100 1 out',
      'fd_seek $1 0 3 out',
      'fd_seek $1 0x7fffffffffffffff 0 out',
      'fd_tell $1 out',
    ]);
    expect(answers.slice(1, 5).map(({ u64 }) => u64)).toEqual([4n, 2n, 9n, 15n]);
    expect(answers.slice(5, 9).map(({ errno }) => errno)).toEqual(Array(4).fill(Errno.inval));
    expect(answers[9]!.u64).toBe(15n);
  });

  it('fd_allocate, fd_filestat_set_size, fd_advise, fd_sync, fd_datasync', async () => {
    const given = withFile(world(), 'abc');
    expect(
      await errnos(given, [
        open('file', { rights: ALL }),
        'fd_allocate $1 0 100',
        'fd_allocate $1 10 10',
        'fd_filestat_set_size $1 5000',
        'fd_advise $1 0 10 0',
        'fd_advise $1 0 10 5',
        'fd_sync $1',
        'fd_datasync $1',
        'fd_allocate $1 0 0',
        'fd_allocate $1 -1 10',
        'fd_allocate $1 0x7ffffffffffffff0 0xf',
        // 8 TiB: a file may be as long, but no disk has them.
        'fd_allocate $1 0 0x80000000000',
        'fd_filestat_set_size $1 -1',
        'fd_filestat_set_size $1 0x7fffffffffffffff',
        'fd_advise $1 0 10 6',
        'fd_advise $1 -1 10 0',
      ]),
    ).toEqual([
      ...Array(8).fill(0),
      Errno.inval,
      Errno.inval,
      Errno.fbig,
      Errno.nospc,
      Errno.inval,
      Errno.inval,
      Errno.inval,
      Errno.inval,
    ]);
    expect(statSync(given.path('rw/file')).size).toBe(5000);
  });

  it('times are set to the nanosecond, on what was asked only', async () => {
    const given = withFile(world(), 'abc');
    const mtimeNs = () => statSync(given.path('rw/file'), { bigint: true }).mtimeNs / 1_000_000n;
    const time = 1_712_345_678_123_456_789n;
    const answers = await inRoot(given, [
      open('file', { rights: ALL }),
      `fd_filestat_set_times $1 ${time + 1n} ${time} 5`,
      'fd_filestat_get $1 buf',
      'word 40',
      'word 48',
      `path_filestat_set_times 3 0 :file ${time + 7n} 0 1`,
      'path_filestat_get 3 0 :file buf',
      'word 40',
      'word 48',
      'fd_filestat_set_times $1 0 0 12',
      'fd_filestat_set_times $1 0 0 3',
      'path_filestat_set_times 3 0 :file 0 0 12',
      'path_filestat_set_times 3 0 :file 0 0 16',
      'path_filestat_set_times 3 0 :none 0 0 2',
      'fd_filestat_set_times 1 0 0 2',
    ]);
    const low = (value: bigint) => Number(value & 0xffff_ffffn);
    const word = (index: number) => Number(answers[index]!.text);
    expect([word(3), word(4), word(7), word(8)]).toEqual([
      low(time + 1n),
      low(time),
      low(time + 7n),
      low(time),
    ]);
    expect(answers.slice(9).map(({ errno }) => errno)).toEqual([
      Errno.inval,
      Errno.inval,
      Errno.inval,
      Errno.inval,
      Errno.noent,
      Errno.notcapable,
    ]);
    expect(mtimeNs()).toBe(time / 1_000_000n);
  });

  it('the present is set, too', async () => {
    const given = withFile(world(), 'abc');
    const before = Date.now();
    expect(
      await errnos(given, [open('file', { rights: ALL }), 'fd_filestat_set_times $1 0 0 10']),
    ).toEqual([0, 0]);
    expect(statSync(given.path('rw/file')).mtimeMs).toBeGreaterThanOrEqual(before);
  });

  it('each right is needed, given up for good, and bounds what is opened through a directory', async () => {
    const given = withFile(world(), 'abc');
    const cases: [string, bigint][] = [
      ['fd_read $1 iov=1 out', Right.fdRead],
      ['fd_pread $1 iov=1 0 out', Right.fdRead | Right.fdSeek],
      ['fd_write $1 iov=1 out', Right.fdWrite],
      ['fd_pwrite $1 iov=1 0 out', Right.fdWrite | Right.fdSeek],
      ['fd_seek $1 1 0 out', Right.fdSeek],
      ['fd_sync $1', Right.fdSync],
      ['fd_datasync $1', Right.fdDatasync],
      ['fd_advise $1 0 1 0', Right.fdAdvise],
      ['fd_allocate $1 0 1', Right.fdAllocate],
      ['fd_fdstat_set_flags $1 0', Right.fdFdstatSetFlags],
      ['fd_filestat_get $1 buf', Right.fdFilestatGet],
      ['fd_filestat_set_size $1 1', Right.fdFilestatSetSize],
      ['fd_filestat_set_times $1 0 0 2', Right.fdFilestatSetTimes],
    ];
    for (const [call, right] of cases) {
      const file = open('file', { rights: ALL });
      expect(await errnos(given, [file, call]), call).toEqual([0, 0]);
      const less = ALL & ~right;
      expect(await errnos(given, [open('file', { rights: less }), call]), call)
        .toEqual([0, Errno.notcapable]);
    }
    const answers = await inRoot(given, [
      open('.', { rights: ALL & ~Right.fdWrite, inheriting: READ }),
      open('file', { dir: '$1', rights: READ }),
      open('file', { dir: '$1', rights: WRITE }),
      `fd_fdstat_set_rights $2 ${Right.fdRead} 0`,
      'fd_seek $2 1 0 out',
      'fd_read $2 iov=1 out',
      `fd_fdstat_set_rights $2 ${READ} 0`,
      `fd_fdstat_set_rights $1 0 0`,
      open('file', { dir: '$1' }),
    ]);
    expect(answers.map(({ errno }) => errno)).toEqual([
      0,
      0,
      Errno.notcapable,
      0,
      Errno.notcapable,
      0,
      Errno.notcapable,
      0,
      Errno.notcapable,
    ]);
  });

  it('numbers: the lowest free one is taken, fd_renumber moves, fd_close frees', async () => {
    const given = withFile(world(), 'abc');
    writeFileSync(given.path('rw/other'), 'other');
    const answers = await inRoot(given, [
      open('file', { rights: READ }),
      open('other', { rights: READ }),
      'fd_renumber $2 $1',
      'fd_read $1 iov=5 out',
      'text 5',
      'fd_close $2',
      'fd_renumber $1 99',
      'fd_renumber 99 $1',
      'fd_renumber $1 $1',
      'fd_close $1',
      'fd_close $1',
      open('file'),
      'fd_tell -1 out',
    ]);
    expect(answers[0]!.u32).toBe(4);
    expect(answers[1]!.u32).toBe(5);
    expect(answers[4]!.text).toBe('other');
    expect(answers.slice(5, 11).map(({ errno }) => errno))
      .toEqual([Errno.badf, Errno.badf, Errno.badf, 0, 0, Errno.badf]);
    expect(answers[11]!.u32).toBe(4);
    expect(answers[12]!.errno).toBe(Errno.badf);
  });

  it('a thousand files at once, then EMFILE; the node is unharmed', async () => {
    const given = withFile(world(), 'abc');
    const answers = await inRoot(given, [
      `until ${Errno.mfile} 1000000 ${open('file')}`,
      'fd_close 500',
      open('file'),
    ]);
    expect(answers[0]!.text).toBe(`${Errno.mfile} 1021`);
    expect(answers[2]!.u32).toBe(500);
  });

  it('streams: input is at its end, output takes what is written, neither seeks', async () => {
    expect(
      await errnos(world(), [
        'fd_read 0 iov=4 out',
        'fd_write 0 iov=4 out',
        'fd_read 1 iov=4 out',
        'fd_seek 1 0 0 out',
        'fd_tell 0 out',
        'fd_pread 0 iov=4 0 out',
        'fd_pwrite 1 iov=4 0 out',
        'fd_sync 1',
        'fd_filestat_set_size 1 0',
        'fd_allocate 1 0 1',
        'fd_readdir 1 buf 100 0 out',
        'fd_prestat_get 1 out',
        'fd_filestat_get 1 buf',
      ]),
    ).toEqual([
      0,
      Errno.notcapable,
      Errno.notcapable,
      Errno.spipe,
      Errno.spipe,
      Errno.spipe,
      Errno.spipe,
      Errno.spipe,
      Errno.spipe,
      Errno.spipe,
      Errno.notdir,
      Errno.notdir,
      0,
    ]);
  });
});
