/** What functions have in common: each says EBADF of a number that is not open, and the same of a path that is none. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, open, underEachRuntime, type World } from './guest.ts';

const { badf, ilseq, inval, loop, nametoolong, noent, notcapable, notdir } = Errno;

/** `FD` stands for a descriptor. */
const OF_DESCRIPTORS = [
  'fd_advise FD 0 1 0',
  'fd_allocate FD 0 1',
  'fd_close FD',
  'fd_datasync FD',
  'fd_fdstat_get FD out',
  'fd_fdstat_set_flags FD 0',
  'fd_fdstat_set_rights FD 0 0',
  'fd_filestat_get FD buf',
  'fd_filestat_set_size FD 0',
  'fd_filestat_set_times FD 0 0 2',
  'fd_pread FD iov=1 0 out',
  'fd_prestat_get FD out',
  'fd_prestat_dir_name FD buf 10',
  'fd_pwrite FD iov=1 0 out',
  'fd_read FD iov=1 out',
  'fd_readdir FD buf 100 0 out',
  'fd_renumber FD 3',
  'fd_renumber 3 FD',
  'fd_seek FD 0 0 out',
  'fd_sync FD',
  'fd_tell FD out',
  'fd_write FD iov=1 out',
  'sock_accept FD 0 out',
  'sock_recv FD iov=4 0 out out',
  'sock_send FD iov=4 0 out',
  'sock_shutdown FD 3',
];

/** `PATH` stands for one, after the descriptor that it starts from. Whatever is asked, they are looked at alike. */
const OF_PATHS = [
  'path_create_directory FD PATH',
  'path_filestat_get FD 1 PATH buf',
  'path_filestat_set_times FD 1 PATH 0 0 2',
  'path_link FD 1 PATH 3 :x',
  'path_link 3 0 :file FD PATH',
  'path_open FD 1 PATH 0 0 0 0 out',
  'path_open FD 1 PATH 1 0 0 0 out',
  'path_readlink FD PATH buf 100 out',
  'path_remove_directory FD PATH',
  'path_rename FD PATH 3 :x',
  'path_rename 3 :file FD PATH',
  'path_symlink :a FD PATH',
  'path_unlink_file FD PATH',
];

const PATHS: readonly (readonly [title: string, path: string, errno: number])[] = [
  ['nothing', '', noent],
  ['upwards', '../x', notcapable],
  ['absolute', '/file', notcapable],
  ['a zero byte', 'fi\\0le', inval],
  ['no UTF-8', 'fi\\xffle', ilseq],
  ['a component of 256 bytes', 'n'.repeat(256), nametoolong],
  ['4096 bytes', 'dir/'.repeat(1024), nametoolong],
  ['through a file', 'file/x', notdir],
  ['through nothing', 'none/x', noent],
  ['through a link in a circle', 'loop/x', loop],
  ['through a link upwards', 'up/x', notcapable],
];

function furnish(given: World): void {
  writeFileSync(given.path('rw/file'), 'abc');
  mkdirSync(given.path('rw/dir'));
  symlinkSync('loop', given.path('rw/loop'));
  symlinkSync('../..', given.path('rw/up'));
}

underEachRuntime('errors of all functions:', (world) => {
  const named = async (given: World, calls: readonly string[]) =>
    (await given.errnos(calls, { inputs: given.root })).map((errno, index) => `${calls[index]}: ${errno}`);

  it.each([['never opened', '77'], ['the largest', '-1'], ['closed', '$1']])(
    'a number that is not open: %s',
    async (_title, fd) => {
      const given = world();
      furnish(given);
      const calls = [...OF_DESCRIPTORS, ...OF_PATHS].map((call) =>
        call.replace('FD', fd).replace('PATH', ':file')
      );
      const answers = await named(given, [open('file'), 'fd_close $1', ...calls]);
      expect(answers.slice(2)).toEqual(calls.map((call) => `${call}: ${badf}`));
    },
  );

  it('a path that starts from a file or a stream', async () => {
    const given = world();
    furnish(given);
    const calls = ['0', '1', '$1'].flatMap((fd) =>
      OF_PATHS.map((call) => call.replace('FD', fd).replace('PATH', ':file'))
    );
    const answers = await named(given, [open('file'), ...calls]);
    expect(answers.slice(1)).toEqual(calls.map((call) => `${call}: ${notdir}`));
  });

  it.each(PATHS)('a path that is none: %s', async (_title, path, errno) => {
    const given = world();
    furnish(given);
    const calls = OF_PATHS.map((call) => call.replace('FD', '3').replace('PATH', `:${path}`));
    expect(await named(given, calls)).toEqual(calls.map((call) => `${call}: ${errno}`));
    expect(readdirSync(given.path('rw')).sort()).toEqual(['dir', 'file', 'loop', 'up']);
  });
});
