/** Pointers beyond the guest's memory, and lists that no host takes: an errno, nothing done, and the program goes on. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, Open, open, Right, underEachRuntime, type World } from './guest.ts';

/** Near the end of the addresses, where additions overflow 32 bits. */
const BAD = '0xfffffff0';

/** Each function that takes a pointer, with each of its pointers wrong. `$1` is an open file. */
const CALLS = [
  `args_get ${BAD} buf`,
  `args_get buf ${BAD}`,
  `args_sizes_get ${BAD} out`,
  `args_sizes_get out ${BAD}`,
  `environ_get ${BAD} buf`,
  `environ_get buf ${BAD}`,
  `environ_sizes_get ${BAD} out`,
  `environ_sizes_get out ${BAD}`,
  `clock_res_get 0 ${BAD}`,
  `clock_time_get 0 0 0xfffffffc`,
  `fd_fdstat_get 1 ${BAD}`,
  `fd_fdstat_get $1 ${BAD}`,
  `fd_filestat_get $1 ${BAD}`,
  `fd_filestat_get 1 ${BAD}`,
  `fd_filestat_get 3 ${BAD}`,
  `fd_pread $1 ${BAD} 1 0 out`,
  `fd_pread $1 iov=1 0 ${BAD}`,
  `fd_prestat_get 3 0xfffffffc`,
  `fd_prestat_dir_name 3 0xffffffff 1`,
  `fd_pwrite $1 ${BAD} 1 0 out`,
  `fd_pwrite $1 iov=1 0 0xfffffffd`,
  `fd_read $1 ${BAD} 1 out`,
  `fd_read $1 iov=1 0xfffffffd`,
  `fd_read 0 iov=1 0xfffffffd`,
  `fd_readdir 3 ${BAD} 100 0 out`,
  `fd_readdir 3 buf 100 0 0xfffffffd`,
  `fd_seek $1 0 0 ${BAD}`,
  `fd_seek $1 0 0 0xfffffff9`,
  `fd_tell $1 0xfffffff9`,
  `fd_write $1 ${BAD} 1 out`,
  `fd_write $1 iov=1 0xfffffffd`,
  `fd_write 1 ${BAD} 1 out`,
  `fd_write 1 iov=1 0xfffffffd`,
  `fd_read $1 iov=0xffffffff out`,
  `fd_write $1 iov=0xffffffff out`,
  `path_create_directory 3 ${BAD} 100`,
  `path_create_directory 3 0 -1`,
  `path_filestat_get 3 0 ${BAD} 100 buf`,
  `path_filestat_get 3 0 :file ${BAD}`,
  `path_filestat_set_times 3 0 ${BAD} 100 0 0 2`,
  `path_link 3 0 ${BAD} 100 3 :x`,
  `path_link 3 0 :file 3 ${BAD} 100`,
  `path_open 3 0 ${BAD} 100 1 -1 -1 0 out`,
  `path_open 3 0 :made 1 0 0 0 0xfffffffd`,
  `path_readlink 3 ${BAD} 100 buf 100 out`,
  `path_readlink 3 :link ${BAD} 100 out`,
  `path_readlink 3 :link buf 100 0xfffffffd`,
  `path_remove_directory 3 ${BAD} 100`,
  `path_rename 3 ${BAD} 100 3 :x`,
  `path_rename 3 :file 3 ${BAD} 100`,
  `path_symlink ${BAD} 100 3 :x`,
  `path_symlink :a 3 ${BAD} 100`,
  `path_unlink_file 3 ${BAD} 100`,
  `poll_oneoff ${BAD} buf 1 out`,
  `poll_oneoff buf ${BAD} 1 out`,
  `poll_oneoff buf buf 1 0xfffffffd`,
  `poll_oneoff buf buf -1 out`,
  // Their sizes are 32 more than 2^32 bytes, and three times 2^32.
  `poll_oneoff buf buf 0x5555556 out`,
  `poll_oneoff buf buf 0x10000000 out`,
  `random_get ${BAD} 17`,
  `random_get buf -1`,
];

function furnish(given: World): void {
  writeFileSync(given.path('rw/file'), 'abc');
  mkdirSync(given.path('rw/dir'));
  symlinkSync('a/rather/long/target', given.path('rw/link'));
}

underEachRuntime('pointers', (world) => {
  it('beyond the memory: EFAULT from each function, before anything is done', async () => {
    const given = world();
    furnish(given);
    const opened = open('file', { rights: (1n << 30n) - 1n });
    const answers = await given.calls([opened, ...CALLS, 'fd_tell $1 out'], {
      inputs: given.root,
      env: { NAME: 'value' },
    });
    expect(answers.slice(1, -1).map(({ errno }, index) => `${CALLS[index]}: ${errno}`))
      .toEqual(CALLS.map((call) => `${call}: ${Errno.fault}`));
    expect(answers.at(-1)!.u64).toBe(0n);
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('abc');
    expect(readdirSync(given.path('rw')).sort()).toEqual(['dir', 'file', 'link']);
  });

  it('lists of buffers: none, empty ones, 1024, more than any host takes', async () => {
    const given = world();
    furnish(given);
    const answers = await given.calls([
      open('file', { rights: Right.fdRead | Right.fdWrite }),
      'fd_read $1 buf 0 out',
      'fd_read $1 0xffffffff 0 out',
      'fd_read $1 iov=0,0,0 out',
      // A list of 1024 empty buffers is all zeros.
      'fd_read $1 buf 1024 out',
      'fd_read $1 buf 1025 out',
      'fd_read $1 buf -1 out',
      'fd_write $1 buf 1025 out',
      'fd_write 1 buf -1 out',
      'fd_write $1 buf 0 out',
    ], { inputs: given.root });
    const { inval } = Errno;
    expect(answers.slice(1).map(({ errno }) => errno)).toEqual([0, 0, 0, 0, inval, inval, inval, inval, 0]);
    expect(readFileSync(given.path('rw/file'), 'utf8')).toBe('abc');
  });

  it('nothing is created when the result has nowhere to go', async () => {
    const given = world();
    expect(await given.errnos([`path_open 3 0 :new ${Open.create} 0 0 0 -1`], { inputs: given.root }))
      .toEqual([Errno.fault]);
    expect(readdirSync(given.path('rw'))).toEqual([]);
  });
});
