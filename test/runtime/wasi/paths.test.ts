/** WASI `path_*` and `fd_readdir`: what they do in a mounted directory, and each errno they can give. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, Open, open, Right, underEachRuntime, type World } from './guest.ts';

const READ = Right.fdRead | Right.fdSeek | Right.fdTell;
const WRITE = Right.fdWrite;
const ALL = (1n << 30n) - 1n;

/** rw: file (abc), dir/inner (inner), link → file, dangling → nothing, loop → loop, up → ../ro, dirlink → dir. */
function furnished(world: World): World {
  writeFileSync(world.path('rw/file'), 'abc');
  mkdirSync(world.path('rw/dir'));
  writeFileSync(world.path('rw/dir/inner'), 'inner');
  for (
    const [name, target] of [['link', 'file'], ['dangling', 'nothing'], ['loop', 'loop'], ['dirlink', 'dir']]
  ) {
    symlinkSync(target!, world.path('rw', name!));
  }
  return world;
}

underEachRuntime('paths', (world) => {
  const inRoot = async (given: World, calls: string[]) => await given.calls(calls, { inputs: given.root });
  const errnos = async (given: World, calls: string[]) => await given.errnos(calls, { inputs: given.root });

  it('path_open: what its flags say', async () => {
    const given = furnished(world());
    expect(
      await errnos(given, [
        open('file', { rights: READ }),
        open('new', { oflags: Open.create, rights: WRITE }),
        open('new', { oflags: Open.create }),
        open('new', { oflags: Open.create | Open.exclusive }),
        open('link', { oflags: Open.create | Open.exclusive }),
        open('dangling', { oflags: Open.create | Open.exclusive }),
        open('missing'),
        open('missing/deeper', { oflags: Open.create }),
        open('file/deeper'),
        open('file/'),
        open('file/.'),
        open('file/..'),
        open('dir', { rights: WRITE }),
        open('dir', { oflags: Open.truncate }),
        open('dir', { oflags: Open.create }),
        open('file', { oflags: Open.directory }),
        open('dir', { oflags: Open.directory }),
        open('dir/', { oflags: Open.directory | Open.create }),
        open('new2/', { oflags: Open.create }),
        open('link', { follow: false }),
        open('link', { follow: true, rights: READ }),
        open('link/', { follow: false }),
        open('dirlink/', { follow: false }),
        open('dirlink', { follow: false, oflags: Open.directory }),
        open('dirlink/inner', { follow: false }),
        open('loop'),
        open('dangling'),
        open(''),
        open('a'.repeat(256)),
        open('a/'.repeat(2000)),
        open('file', { oflags: 16 }),
        open('file', { flags: 32 }),
        open('\\xff\\xfe'),
        open('nul\\0byte'),
        open('file', { dir: 99 }),
        open('file', { dir: 1 }),
        open('dir/../file', { rights: READ }),
        open('./dir/./../dir//inner'),
        open('dirlink/../file'),
      ]),
    ).toEqual([
      0,
      0,
      0,
      Errno.exist,
      Errno.exist,
      Errno.exist,
      Errno.noent,
      Errno.noent,
      Errno.notdir,
      Errno.notdir,
      Errno.notdir,
      Errno.notdir,
      Errno.isdir,
      Errno.isdir,
      Errno.isdir,
      Errno.notdir,
      0,
      Errno.inval,
      Errno.isdir,
      Errno.loop,
      0,
      Errno.notdir,
      0,
      Errno.loop,
      0,
      Errno.loop,
      Errno.noent,
      Errno.noent,
      Errno.nametoolong,
      Errno.noent,
      Errno.inval,
      Errno.inval,
      Errno.ilseq,
      Errno.inval,
      Errno.badf,
      Errno.notdir,
      0,
      0,
      0,
    ]);
    expect(readdirSync(given.path('rw')).sort())
      .toEqual(['dangling', 'dir', 'dirlink', 'file', 'link', 'loop', 'new']);
  });

  it('path_open creates through a dangling link where it leads, and truncates', async () => {
    const given = furnished(world());
    expect(
      await errnos(given, [
        open('dangling', { oflags: Open.create, rights: WRITE }),
        'fill made',
        'fd_write $1 iov=4 out',
        open('link', { oflags: Open.truncate }),
      ]),
    ).toEqual([0, 0, 0, 0]);
    expect(readFileSync(given.path('rw/nothing'), 'utf8')).toBe('made');
    expect(lstatSync(given.path('rw/dangling')).isSymbolicLink()).toBe(true);
    expect(statSync(given.path('rw/file')).size).toBe(0);
  });

  it('directories: made, removed', async () => {
    const given = furnished(world());
    expect(
      await errnos(given, [
        'path_create_directory 3 :made',
        'path_create_directory 3 :made/',
        'path_create_directory 3 :slash/',
        'path_create_directory 3 :file',
        'path_create_directory 3 :dangling',
        'path_create_directory 3 :missing/deep',
        'path_create_directory 3 :.',
        'path_create_directory 3 :',
        'path_remove_directory 3 :slash/',
        'path_remove_directory 3 :dir',
        'path_remove_directory 3 :file',
        'path_remove_directory 3 :dirlink',
        'path_remove_directory 3 :missing',
        'path_remove_directory 3 :made/.',
        'path_remove_directory 3 :dir/..',
      ]),
    ).toEqual([
      0,
      Errno.exist,
      0,
      Errno.exist,
      Errno.exist,
      Errno.noent,
      Errno.exist,
      Errno.noent,
      0,
      Errno.notempty,
      Errno.notdir,
      Errno.notdir,
      Errno.noent,
      Errno.inval,
      Errno.inval,
    ]);
    expect(statSync(given.path('rw/made')).isDirectory()).toBe(true);
    expect(existsSync(given.path('rw/slash'))).toBe(false);
  });

  it('path_unlink_file takes names of anything but directories', async () => {
    const given = furnished(world());
    expect(
      await errnos(given, [
        'path_unlink_file 3 :dir',
        'path_unlink_file 3 :dir/',
        'path_unlink_file 3 :file/',
        'path_unlink_file 3 :link',
        'path_unlink_file 3 :loop',
        'path_unlink_file 3 :missing',
        'path_unlink_file 3 :dir/inner',
        'path_unlink_file 3 :.',
      ]),
    ).toEqual([Errno.isdir, Errno.isdir, Errno.notdir, 0, 0, Errno.noent, 0, Errno.isdir]);
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('abc');
  });

  it('path_rename: over files, empty directories and links', async () => {
    const given = furnished(world());
    mkdirSync(given.path('rw/empty'));
    writeFileSync(given.path('rw/second'), '2');
    expect(
      await errnos(given, [
        'path_rename 3 :second 3 :link',
        'path_rename 3 :missing 3 :x',
        'path_rename 3 :file 3 :dir',
        'path_rename 3 :dir 3 :file',
        'path_rename 3 :empty 3 :dir',
        'path_rename 3 :dir 3 :empty',
        'path_rename 3 :empty/ 3 :dir/',
        'path_rename 3 :file/ 3 :y',
        'path_rename 3 :file 3 :y/',
        'path_rename 3 :dir 3 :dir/below',
        'path_rename 3 :. 3 :z',
        'path_rename 3 :file 3 :missing/z',
        'path_rename 3 :file 3 :file',
      ]),
    ).toEqual([
      0,
      Errno.noent,
      Errno.isdir,
      Errno.notdir,
      Errno.notempty,
      0,
      0,
      Errno.notdir,
      Errno.notdir,
      Errno.inval,
      Errno.busy,
      Errno.noent,
      0,
    ]);
    expect(readFileSync(given.path('rw/link'), 'utf8')).toBe('2');
    expect(lstatSync(given.path('rw/link')).isFile()).toBe(true);
    expect(readFileSync(given.path('rw/dir/inner'), 'utf8')).toBe('inner');
  });

  it('path_link, path_symlink, path_readlink', async () => {
    const given = furnished(world());
    const answers = await inRoot(given, [
      'path_link 3 0 :file 3 :hard',
      'path_link 3 0 :link 3 :hardlink',
      'path_link 3 1 :link 3 :followed',
      'path_link 3 1 :dangling 3 :x',
      'path_link 3 0 :dir 3 :x',
      'path_link 3 0 :file 3 :hard',
      'path_link 3 0 :file 3 :x/',
      'path_link 3 0 :file/ 3 :x',
      'path_link 3 0 :missing 3 :x',
      'path_symlink :dir/inner 3 :soft',
      'path_symlink :../.. 3 :upwards',
      'path_symlink :/etc 3 :x',
      'path_symlink : 3 :x',
      'path_symlink :a\\0b 3 :x',
      'path_symlink :a 3 :x/',
      'path_symlink :a 3 :file/',
      'path_symlink :a 3 :dir/',
      'path_symlink :a 3 :file',
      'path_readlink 3 :soft buf 100 out',
      'text 9',
      'path_readlink 3 :soft buf 3 out',
      'path_readlink 3 :file buf 3 out',
      'path_readlink 3 :missing buf 3 out',
      'path_readlink 3 :dir buf 3 out',
      'path_readlink 3 :soft buf 0 out',
    ]);
    const { exist, inval, noent, notcapable, notdir, perm } = Errno;
    expect(answers.map(({ errno }) => errno).filter((_, index) => index !== 19)).toEqual(
      [0, 0, 0, noent, perm, exist, noent, notdir, noent]
        .concat([0, 0, notcapable, noent, inval, noent, notdir, exist, exist])
        .concat([0, 0, inval, noent, inval, 0]),
    );
    expect([answers[18]!.u32, answers[19]!.text, answers[20]!.u32]).toEqual([9, 'dir/inner', 3]);
    expect(statSync(given.path('rw/file')).nlink).toBe(3);
    expect(readlinkSync(given.path('rw/hardlink'))).toBe('file');
  });

  it('path_filestat_get tells of links and through them', async () => {
    const given = furnished(world());
    const answers = await inRoot(given, [
      'path_filestat_get 3 0 :link buf',
      'word 16',
      'path_filestat_get 3 1 :link buf',
      'word 16',
      'word 32',
      'path_filestat_get 3 0 :dir/ buf',
      'word 16',
      'path_filestat_get 3 0 :file/ buf',
      'path_filestat_get 3 1 :dangling buf',
      'path_filestat_get 3 1 :loop buf',
      'path_filestat_get 3 0 :. buf',
      'path_filestat_set_times 3 0 :dangling 0 5000000000 4',
    ]);
    expect([1, 3, 4, 6].map((index) => Number(answers[index]!.text))).toEqual([7, 4, 3, 3]);
    expect([0, 2, 5, 7, 8, 9, 10, 11].map((index) => answers[index]!.errno))
      .toEqual([0, 0, 0, Errno.notdir, Errno.noent, Errno.loop, 0, 0]);
    expect(lstatSync(given.path('rw/dangling')).mtimeMs).toBe(5000);
  });

  it('each right of a directory is needed', async () => {
    const cases: [string, bigint][] = [
      [open('file', { dir: '$1' }), Right.pathOpen],
      [open('made', { dir: '$1', oflags: Open.create }), Right.pathCreateFile],
      [open('file', { dir: '$1', oflags: Open.truncate }), Right.pathFilestatSetSize],
      ['path_create_directory $1 :x', Right.pathCreateDirectory],
      ['path_link $1 0 :file 3 :x', Right.pathLinkSource],
      ['path_link 3 0 :file $1 :x', Right.pathLinkTarget],
      ['fd_readdir $1 buf 100 0 out', Right.fdReaddir],
      ['path_readlink $1 :link buf 100 out', Right.pathReadlink],
      ['path_rename $1 :file 3 :x', Right.pathRenameSource],
      ['path_rename 3 :file $1 :x', Right.pathRenameTarget],
      ['path_filestat_get $1 0 :file buf', Right.pathFilestatGet],
      ['path_filestat_set_times $1 0 :file 0 0 2', Right.pathFilestatSetTimes],
      ['path_symlink :a $1 :x', Right.pathSymlink],
      ['path_unlink_file $1 :file', Right.pathUnlinkFile],
      ['fd_filestat_get $1 buf', Right.fdFilestatGet],
      ['fd_filestat_set_times $1 0 0 2', Right.fdFilestatSetTimes],
      ['fd_sync $1', Right.fdSync],
      ['path_remove_directory $1 :empty', Right.pathRemoveDirectory],
    ];
    for (const [call, right] of cases) {
      const given = furnished(world());
      mkdirSync(given.path('rw/empty'));
      const rights = ALL & ~Right.fdWrite;
      const less = open('.', { rights: rights & ~right, inheriting: ALL & ~right });
      expect(await errnos(given, [less, call]), call).toEqual([0, Errno.notcapable]);
      expect(await errnos(given, [open('.', { rights, inheriting: ALL }), call]), call).toEqual([0, 0]);
    }
  });

  it('a directory that hands on the right to cut files has it, until it is given up: Go counts on it', async () => {
    const given = furnished(world());
    const rights = Right.pathOpen;
    expect(
      await errnos(given, [
        open('dir', { rights, inheriting: Right.pathFilestatSetSize | Right.fdWrite }),
        open('inner', { dir: '$1', oflags: Open.truncate, rights: WRITE }),
        `fd_fdstat_set_rights $1 ${rights} 0`,
        open('inner', { dir: '$1', oflags: Open.truncate }),
        open('.', { rights, inheriting: WRITE }),
        open('file', { dir: '$5', oflags: Open.truncate }),
      ]),
    ).toEqual([0, 0, 0, Errno.notcapable, 0, Errno.notcapable]);
    expect(readFileSync(given.path('rw/dir/inner'), 'utf8')).toBe('');
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('abc');
  });

  it('what works on files only says so of directories', async () => {
    expect(
      await errnos(furnished(world()), [
        'fd_read 3 iov=1 out',
        'fd_pread 3 iov=1 0 out',
        'fd_write 3 iov=1 out',
        'fd_pwrite 3 iov=1 0 out',
        'fd_seek 3 0 0 out',
        'fd_tell 3 out',
        'fd_allocate 3 0 1',
        'fd_filestat_set_size 3 0',
        'fd_datasync 3',
        'fd_advise 3 0 1 0',
        'fd_sync 3',
        'fd_prestat_dir_name 3 buf 0',
        'fd_prestat_dir_name 3 buf 10',
        open('dir'),
        'fd_prestat_get $14 out',
        'fd_prestat_dir_name $14 buf 10',
      ]),
    ).toEqual([...Array(10).fill(Errno.isdir), 0, Errno.nametoolong, 0, 0, Errno.badf, Errno.badf]);
  });
});

underEachRuntime('listings', (world) => {
  it('fd_readdir: cookies go on where one stopped, whatever happens to the directory', async () => {
    const given = world();
    for (let index = 0; index < 50; index++) writeFileSync(given.path(`rw/f${10 + index}`), '');
    // An entry is 24 bytes and its name: `.` 25, `..` 26, `wasm` (where the module is) 28, `f10` 27.
    const answers = await given.calls([
      'fd_readdir 3 buf 79 0 out',
      'name 24 1',
      'name 75 4',
      'fd_readdir 3 buf 78 3 out',
      'name 24 3',
      'path_unlink_file 3 :f11',
      'fd_readdir 3 buf 65536 4 out',
      'fd_readdir 3 buf 65536 0 out',
      'fd_readdir 3 buf 65536 53 out',
      'fd_readdir 3 buf 65536 52 out',
      'fd_readdir 3 buf 65536 51 out',
      'fd_readdir 3 buf 10 0 out',
      'fd_readdir 3 buf 0 0 out',
    ], { inputs: given.root });
    expect(answers[0]!.u32).toBe(79);
    expect([answers[1]!.text, answers[2]!.text, answers[4]!.text]).toEqual(['.', 'wasm', 'f10']);
    // The listing is the one of cookie 0, with the file that is gone since.
    expect(answers[6]!.u32).toBe(49 * 27);
    expect(answers[7]!.u32).toBe(25 + 26 + 28 + 49 * 27);
    expect(answers.slice(8).map(({ errno, u32 }) => [errno, u32]))
      .toEqual([[Errno.inval, 0], [0, 0], [0, 27], [0, 10], [0, 0]]);
  });

  it('mount points are listed and lead on, in a root that the host has and in one of the tree alone', async () => {
    const given = world();
    writeFileSync(given.path('ro/inner'), '');
    mkdirSync(given.path('rw/host'));
    const inputs = [
      { hostPath: given.path('rw'), target: '/', readOnly: false },
      { hostPath: given.path('ro'), target: '/deep/er', readOnly: true },
      { hostPath: given.path('ro/inner'), target: '/host/alias', readOnly: true },
    ];
    expect(
      await given.errnos([
        open('deep/er/inner', { rights: Right.fdRead }),
        open('deep', { oflags: Open.directory, rights: Right.pathOpen }),
        open('er/inner', { dir: '$2' }),
        'path_create_directory 3 :deep/x',
        'path_create_directory 3 :host/x',
        open('host/alias', { rights: Right.fdRead }),
        open('host/alias', { rights: Right.fdWrite }),
        'path_remove_directory 3 :deep',
        'path_rename 3 :host 3 :moved',
        'path_unlink_file 3 :host/alias',
        'path_filestat_get 3 0 :deep buf',
        'path_filestat_get 3 0 :host/alias buf',
        'path_filestat_set_times 3 0 :host/alias 0 0 2',
        'path_filestat_set_times 3 0 :deep 0 0 2',
      ], { inputs }),
    ).toEqual([
      0,
      0,
      0,
      Errno.rofs,
      0,
      0,
      Errno.rofs,
      Errno.busy,
      Errno.busy,
      Errno.rofs,
      0,
      0,
      Errno.rofs,
      Errno.rofs,
    ]);
    expect(existsSync(given.path('rw/host/x'))).toBe(true);
    expect(readdirSync(given.path('rw'))).toEqual(['host']);
  });
});
