/**
 * Attempts of a guest to reach, or change, what it was not given. Each fails with the errno that says why, and the tree
 * beside its mounts (and what is mounted read-only) is the same afterwards, byte for byte.
 */
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Errno, Open, open, Right, underEachRuntime, type World } from './guest.ts';

const READ = Right.fdRead | Right.fdSeek;
const WRITE = Right.fdWrite | Right.fdSeek;
const DIR = (1n << 30n) - 1n & ~Right.fdWrite;
const { badf, busy, exist, ilseq, inval, isdir, loop, nametoolong, noent, notcapable, notdir, notsup } =
  Errno;
const { perm, rofs, xdev } = Errno;

interface Attempt {
  readonly title: string;
  /** Calls before the attempt, which work. */
  readonly before?: readonly string[];
  readonly call: string;
  readonly errno: number;
}

/** What an opened directory is called in `calls.c` when it was the first call. */
const IN = '$1';
const openRw = open('rw', { rights: DIR, inheriting: DIR | WRITE });
const create = { oflags: Open.create, rights: WRITE };

const ATTEMPTS: readonly Attempt[] = [
  // Upwards
  { title: '.. from the root', call: open('..'), errno: notcapable },
  { title: '.. from a mount into the root and out', call: open('rw/../../outside'), errno: notcapable },
  { title: '.. a hundred times', call: open('../'.repeat(100) + 'etc/passwd'), errno: notcapable },
  {
    title: '.. after going down far enough',
    call: open('rw/dir/../../../outside/secret'),
    errno: notcapable,
  },
  {
    title: '.. out of an opened directory',
    before: [openRw],
    call: open('../ro/file', { dir: IN }),
    errno: notcapable,
  },
  { title: '.. hidden between dots and slashes', call: open('rw/.//.././/../outside'), errno: notcapable },
  { title: '.. through a name that does not exist', call: open('rw/missing/../../..'), errno: noent },
  { title: '.. through a file', call: open('rw/file/../../..'), errno: notdir },
  { title: 'making a directory above', call: 'path_create_directory 3 :../made', errno: notcapable },
  { title: 'removing a directory above', call: 'path_remove_directory 3 :../outside', errno: notcapable },
  { title: 'removing a file above', call: 'path_unlink_file 3 :rw/../../outside/secret', errno: notcapable },
  {
    title: 'looking at a file above',
    call: 'path_filestat_get 3 0 :../outside/secret buf',
    errno: notcapable,
  },
  {
    title: 'touching a file above',
    call: 'path_filestat_set_times 3 0 :../outside/secret 0 0 2',
    errno: notcapable,
  },
  { title: 'reading a link above', call: 'path_readlink 3 :../outside/link buf 100 out', errno: notcapable },
  { title: 'moving a file upwards', call: 'path_rename 3 :rw/file 3 :../outside/moved', errno: notcapable },
  { title: 'moving a file from above', call: 'path_rename 3 :../outside/secret 3 :rw/x', errno: notcapable },
  { title: 'linking a file from above', call: 'path_link 3 0 :../outside/secret 3 :rw/x', errno: notcapable },
  { title: 'linking a file upwards', call: 'path_link 3 0 :rw/file 3 :../outside/x', errno: notcapable },
  { title: 'making a link above', call: 'path_symlink :a 3 :../outside/x', errno: notcapable },
  // Absolute
  { title: 'an absolute path', call: open('/etc/passwd'), errno: notcapable },
  { title: 'an absolute path of a mount', call: open('/rw/file'), errno: notcapable },
  { title: 'two slashes', call: open('//etc/passwd'), errno: notcapable },
  { title: 'the root itself', call: open('/'), errno: notcapable },
  { title: 'a directory at an absolute path', call: 'path_create_directory 3 :/tmp/made', errno: notcapable },
  // Links that the host's owner (or an earlier run) left
  { title: 'an absolute link', call: open('rw/absolute'), errno: notcapable },
  { title: 'below an absolute link', call: open('rw/absolute-dir/secret'), errno: notcapable },
  { title: 'a relative link upwards', call: open('rw/upwards/secret'), errno: notcapable },
  { title: 'a link to a link upwards', call: open('rw/twice/secret'), errno: notcapable },
  { title: 'a link beside the mount', call: open('rw/beside'), errno: noent },
  { title: 'a link to itself', call: open('rw/loop'), errno: loop },
  { title: 'a link in a circle', call: open('rw/circle-a/x'), errno: loop },
  { title: 'a chain of 41 links', call: open('rw/chain-40'), errno: loop },
  { title: 'an absolute link, not followed', call: open('rw/absolute', { follow: false }), errno: loop },
  {
    title: 'an absolute link as a directory, not followed',
    call: open('rw/absolute-dir', { follow: false, oflags: Open.directory }),
    errno: loop,
  },
  {
    title: 'an absolute link with a slash, not followed',
    call: open('rw/absolute-dir/', { follow: false, oflags: Open.directory }),
    errno: notcapable,
  },
  {
    title: 'cutting through a link',
    call: open('rw/absolute', { oflags: Open.truncate }),
    errno: notcapable,
  },
  { title: 'making through a dangling link', call: open('rw/dangling', create), errno: notcapable },
  {
    title: 'making, exclusively, through a dangling link',
    call: open('rw/dangling', { ...create, oflags: Open.create | Open.exclusive }),
    errno: exist,
  },
  {
    title: 'a directory through a dangling link',
    call: 'path_create_directory 3 :rw/dangling',
    errno: exist,
  },
  {
    title: 'a directory below a link',
    call: 'path_create_directory 3 :rw/absolute-dir/x',
    errno: notcapable,
  },
  { title: 'looking through a link', call: 'path_filestat_get 3 1 :rw/absolute buf', errno: notcapable },
  {
    title: 'touching through a link',
    call: 'path_filestat_set_times 3 1 :rw/absolute 0 0 2',
    errno: notcapable,
  },
  { title: 'removing below a link', call: 'path_unlink_file 3 :rw/absolute-dir/secret', errno: notcapable },
  { title: 'moving out through a link', call: 'path_rename 3 :rw/file 3 :rw/upwards/x', errno: notcapable },
  { title: 'moving in through a link', call: 'path_rename 3 :rw/upwards/secret 3 :rw/x', errno: notcapable },
  { title: 'linking what a link leads to', call: 'path_link 3 1 :rw/absolute 3 :rw/x', errno: notcapable },
  {
    title: 'the text of an absolute link',
    call: 'path_readlink 3 :rw/absolute buf 100 out',
    errno: notcapable,
  },
  {
    title: 'a link to a descriptor of ours and back up',
    call: open('rw/descriptor-up/outside/secret'),
    errno: notcapable,
  },
  { title: 'a link to the root of our process', call: open('rw/own-root/etc/passwd'), errno: notcapable },
  { title: 'a link to our working directory', call: open('rw/own-cwd/x'), errno: notcapable },
  { title: 'a link through 41 others on the way', call: open(`rw/${'here/'.repeat(41)}file`), errno: loop },
  {
    title: 'links that double: 2^40 steps',
    call: open('rw/double-40'),
    errno: loop,
  },
  { title: 'a link of 4095 bytes upwards', call: open('rw/long-link'), errno: notcapable },
  { title: 'a link that ends in a slash, to a file', call: open('rw/slashed'), errno: notdir },
  { title: 'a link to nothing but dots', call: open('rw/dots'), errno: notcapable },
  {
    title: 'the empty directory that a link upwards is, removed',
    call: 'path_remove_directory 3 :rw/upwards/',
    errno: notcapable,
  },
  {
    title: 'a link removed as what it leads to',
    call: 'path_unlink_file 3 :rw/absolute/',
    errno: notcapable,
  },
  {
    title: 'a link renamed as what it leads to',
    call: 'path_rename 3 :rw/absolute-dir/ 3 :rw/x',
    errno: notcapable,
  },
  // Links that the guest makes
  { title: 'making an absolute link', call: 'path_symlink :/etc/passwd 3 :rw/x', errno: notcapable },
  {
    title: 'making a link upwards, and opening it',
    before: ['path_symlink :../../outside 3 :rw/made'],
    call: open('rw/made/secret'),
    errno: notcapable,
  },
  {
    title: 'moving a link so that it leads further up',
    before: [
      'path_symlink :../../ro 3 :rw/dir/made',
      'path_rename 3 :rw/dir/made 3 :rw/made',
    ],
    call: open('rw/made/file'),
    errno: notcapable,
  },
  {
    title: 'a link into the read-only mount',
    before: ['path_symlink :../ro/file 3 :rw/made'],
    call: open('rw/made', { rights: WRITE }),
    errno: rofs,
  },
  {
    title: 'from an opened directory by a link upwards',
    before: [openRw, 'path_symlink :../ro/file 3 :rw/made'],
    call: open('made', { dir: IN }),
    errno: notcapable,
  },
  {
    title: 'making a link of 4096 bytes',
    call: `path_symlink :${'a'.repeat(4096)} 3 :rw/x`,
    errno: nametoolong,
  },
  { title: 'making a link to a device', call: 'path_symlink :/dev/zero 3 :rw/x', errno: notcapable },
  {
    title: 'a link to a link to itself by a hard link',
    before: ['path_symlink :second 3 :rw/first', 'path_link 3 0 :rw/first 3 :rw/second'],
    call: open('rw/second'),
    errno: loop,
  },
  {
    title: 'a link upwards in a directory that is opened, from that directory',
    before: [open('rw/dir', { rights: DIR, inheriting: DIR }), 'path_symlink :.. 3 :rw/dir/up'],
    call: open('up/file', { dir: IN }),
    errno: notcapable,
  },
  // Directories moved while they are open
  {
    title: '.. of an opened directory that was moved down',
    before: [
      open('rw/dir', { rights: DIR }),
      'path_create_directory 3 :rw/new',
      'path_rename 3 :rw/dir 3 :rw/new/d',
    ],
    call: open('..', { dir: IN }),
    errno: notcapable,
  },
  {
    title: 'a directory that is removed while it is open',
    before: [open('rw/dir', { rights: DIR, inheriting: DIR | WRITE }), 'path_remove_directory 3 :rw/dir'],
    call: open('x', { ...create, dir: IN }),
    errno: noent,
  },
  {
    title: '.. of a directory that is removed while it is open',
    before: [open('rw/dir', { rights: DIR, inheriting: DIR }), 'path_remove_directory 3 :rw/dir'],
    call: open('../../outside/secret', { dir: IN }),
    errno: notcapable,
  },
  // Devices, pipes, /proc
  { title: 'a pipe', call: open('rw/pipe', { rights: READ }), errno: notsup },
  { title: 'a pipe, to write', call: open('rw/pipe', { rights: WRITE }), errno: notsup },
  { title: 'a device', call: open('rw/device', { rights: READ }), errno: notsup },
  { title: 'a device, to write', call: open('rw/device', { rights: WRITE }), errno: notsup },
  { title: 'a pipe, cut', call: open('rw/pipe', { oflags: Open.truncate, rights: WRITE }), errno: notsup },
  { title: 'a pipe, made', call: open('rw/pipe', create), errno: notsup },
  { title: 'a pipe as a directory', call: open('rw/pipe', { oflags: Open.directory }), errno: notdir },
  { title: 'below a pipe', call: open('rw/pipe/x'), errno: notdir },
  { title: 'a pipe through a link', call: open('rw/to-pipe', { rights: READ }), errno: notsup },
  { title: 'a pipe in the read-only mount', call: open('ro/pipe', { rights: READ }), errno: notsup },
  {
    title: 'a pipe under a second name',
    before: ['path_link 3 0 :rw/pipe 3 :rw/second'],
    call: open('rw/second', { rights: READ, flags: 4 }),
    errno: notsup,
  },
  {
    title: 'a pipe moved to the name of a file',
    before: ['path_rename 3 :rw/pipe 3 :rw/file'],
    call: open('rw/file', { rights: WRITE, flags: 4 }),
    errno: notsup,
  },
  { title: 'a socket', call: open('rw/socket', { rights: READ }), errno: notsup },
  { title: 'a descriptor through /proc by a link', call: open('rw/proc/self/fd/1'), errno: notcapable },
  { title: 'the names in /proc', call: open('rw/proc', { oflags: Open.directory }), errno: notcapable },
  { title: 'a link to /proc', call: open('rw/proc/self/root/etc/passwd'), errno: notcapable },
  { title: 'a link to a descriptor', call: open('rw/descriptor'), errno: notcapable },
  { title: '/proc by its name', call: open('/proc/self/fd/0'), errno: notcapable },
  { title: '/dev by its name', call: open('/dev/null'), errno: notcapable },
  // Names
  { title: 'a name of 256 bytes', call: open(`rw/${'n'.repeat(256)}`, create), errno: nametoolong },
  { title: 'a name of 64 KiB', call: open(`rw/${'n'.repeat(65_536)}`, create), errno: nametoolong },
  { title: 'a path of 2000 parts', call: open(`rw/${'./'.repeat(2000)}../../x`), errno: notcapable },
  { title: 'a path of 4096 bytes', call: open(`rw/${'./'.repeat(2043)}../../x`), errno: nametoolong },
  { title: 'a decomposed name for a composed one', call: open('rw/e\\xcc\\x81'), errno: noent },
  { title: 'a composed name for a decomposed one', call: open('rw/\\xc3\\xa4'), errno: noent },
  { title: 'dots with a joiner between', call: open('rw/.\\xe2\\x80\\x8d./outside'), errno: noent },
  { title: 'three dots', call: open('rw/.../outside'), errno: noent },
  { title: 'a dot in front, twice', call: open('./../outside'), errno: notcapable },
  { title: 'nothing but dots and slashes', call: open('.//./..//./'), errno: notcapable },
  { title: 'a file with a slash, made', call: open('rw/new/', create), errno: isdir },
  { title: 'a file with a slash and a dot', call: open('rw/file/.'), errno: notdir },
  { title: 'moving a directory by its dot', call: 'path_rename 3 :rw/dir/. 3 :rw/x', errno: busy },
  { title: 'moving onto the dot of a directory', call: 'path_rename 3 :rw/dir 3 :rw/empty/.', errno: busy },
  { title: 'moving a directory into itself', call: 'path_rename 3 :rw/dir 3 :rw/dir/x', errno: inval },
  { title: 'a zero byte after the name', call: open('rw/file\\0/../../outside'), errno: inval },
  { title: 'a zero byte before it', call: open('\\0/etc/passwd'), errno: inval },
  { title: 'a zero byte in a link', call: 'path_symlink :a\\0/etc 3 :rw/x', errno: inval },
  { title: 'overlong UTF-8 for ..', call: open('rw/\\xc0\\xae\\xc0\\xae/x'), errno: ilseq },
  { title: 'overlong UTF-8 for /', call: open('rw/..\\xc0\\xaf..'), errno: ilseq },
  { title: 'a half of a surrogate', call: open('rw/\\xed\\xa0\\x80', create), errno: ilseq },
  { title: 'a full-width ..', call: open('rw/\\xef\\xbc\\x8e\\xef\\xbc\\x8e/secret'), errno: noent },
  { title: 'a division slash', call: open('rw/..\\xe2\\x88\\x95outside'), errno: noent },
  { title: 'a backslash', call: open('rw\\x5c..\\x5coutside'), errno: noent },
  { title: 'a tilde', call: open('~/secret'), errno: noent },
  { title: 'the empty name', call: open(''), errno: noent },
  // Descriptors
  {
    title: 'a file renumbered to the root, used as a directory',
    before: [open('rw/file', { rights: READ }), 'fd_renumber $1 3'],
    call: open('rw/file'),
    errno: notdir,
  },
  {
    title: 'the number that was renumbered away',
    before: [openRw, `fd_renumber ${IN} 3`],
    call: open('file', { dir: IN }),
    errno: badf,
  },
  {
    title: '.. of a directory renumbered to the root',
    before: [openRw, `fd_renumber ${IN} 3`],
    call: open('../ro/file'),
    errno: notcapable,
  },
  { title: 'a descriptor of the host', call: 'fd_read 20 iov=100 out', errno: badf },
  { title: 'a descriptor that is no number of ours', call: 'fd_write -1 iov=100 out', errno: badf },
  { title: 'a descriptor of the host as a directory', call: open('x', { dir: 9 }), errno: badf },
  {
    title: 'rights that were given up',
    before: ['fd_fdstat_set_rights 3 0 0'],
    call: open('rw'),
    errno: notcapable,
  },
  { title: 'more rights than there were', call: 'fd_fdstat_set_rights 1 -1 -1', errno: notcapable },
  {
    title: 'writing through a descriptor to read',
    before: [open('rw/file', { rights: READ })],
    call: `fd_write ${IN} iov=4 out`,
    errno: notcapable,
  },
  {
    title: 'more rights by opening the same directory again',
    before: [open('rw', { rights: Right.pathOpen, inheriting: READ | Right.pathOpen })],
    call: open('.', { dir: IN, rights: Right.pathOpen | Right.pathUnlinkFile, oflags: Open.directory }),
    errno: notcapable,
  },
  {
    title: 'the right to write through a directory that hands on reading',
    before: [open('rw', { rights: DIR, inheriting: READ })],
    call: open('file', { dir: IN, rights: WRITE }),
    errno: notcapable,
  },
  {
    title: 'all rights through a directory that hands on reading, and writing',
    before: [open('rw', { rights: DIR, inheriting: READ }), open('file', { dir: IN, rights: -1n })],
    call: 'fd_write $2 iov=4 out',
    errno: notcapable,
  },
  {
    title: 'a directory to write',
    call: open('rw', { rights: Right.fdWrite, oflags: Open.directory }),
    errno: isdir,
  },
  { title: 'the root to write', call: open('.', { rights: Right.fdWrite }), errno: isdir },
  {
    title: 'a directory cut',
    call: open('rw/dir', { oflags: Open.truncate | Open.directory }),
    errno: isdir,
  },
  // The read-only mount; who asks for the right to resize, as Go does with every file, is not given it
  { title: 'read-only: writing', call: open('ro/file', { rights: WRITE }), errno: rofs },
  { title: 'read-only: cutting', call: open('ro/file', { oflags: Open.truncate }), errno: rofs },
  { title: 'read-only: making', call: open('ro/new', create), errno: rofs },
  {
    title: 'read-only: setting a size',
    before: [open('ro/file', { rights: READ | Right.fdFilestatSetSize })],
    call: `fd_filestat_set_size ${IN} 0`,
    errno: notcapable,
  },
  { title: 'read-only: a directory', call: 'path_create_directory 3 :ro/new', errno: rofs },
  { title: 'read-only: removing a file', call: 'path_unlink_file 3 :ro/file', errno: rofs },
  { title: 'read-only: removing a directory', call: 'path_remove_directory 3 :ro/dir', errno: rofs },
  { title: 'read-only: moving within', call: 'path_rename 3 :ro/file 3 :ro/other', errno: rofs },
  { title: 'read-only: moving out of it', call: 'path_rename 3 :ro/file 3 :rw/x', errno: rofs },
  { title: 'read-only: moving into it', call: 'path_rename 3 :rw/file 3 :ro/x', errno: rofs },
  { title: 'read-only: a second name outside of it', call: 'path_link 3 0 :ro/file 3 :rw/x', errno: xdev },
  { title: 'read-only: a second name in it', call: 'path_link 3 0 :ro/file 3 :ro/x', errno: rofs },
  { title: 'read-only: a link', call: 'path_symlink :a 3 :ro/x', errno: rofs },
  { title: 'read-only: times', call: 'path_filestat_set_times 3 0 :ro/file 0 0 2', errno: rofs },
  {
    title: 'read-only: times of an open file',
    before: [open('ro/file', { rights: READ | Right.fdFilestatSetTimes })],
    call: `fd_filestat_set_times ${IN} 0 0 2`,
    errno: rofs,
  },
  {
    title: 'read-only: times of an open directory',
    before: [open('ro', { rights: DIR })],
    call: `fd_filestat_set_times ${IN} 0 0 2`,
    errno: rofs,
  },
  {
    title: 'read-only: appending by a change of flags',
    before: [
      open('ro/file', { rights: READ | Right.fdFdstatSetFlags }),
      `fd_fdstat_set_flags ${IN} 1`,
    ],
    call: `fd_write ${IN} iov=4 out`,
    errno: notcapable,
  },
  {
    title: 'read-only: through .. from the other',
    call: open('rw/../ro/file', { rights: WRITE }),
    errno: rofs,
  },
  {
    title: 'read-only: cutting without the right to write',
    call: open('ro/file', { oflags: Open.truncate, rights: READ }),
    errno: rofs,
  },
  {
    title: 'read-only: making what is there',
    call: open('ro/file', { oflags: Open.create | Open.truncate, rights: WRITE }),
    errno: rofs,
  },
  { title: 'read-only: a second name from outside', call: 'path_link 3 0 :rw/file 3 :ro/x', errno: xdev },
  {
    title: 'read-only: a second name of a directory in it',
    call: 'path_link 3 0 :ro/dir 3 :rw/x',
    errno: perm,
  },
  {
    title: 'read-only: through a second name of the whole mount',
    before: ['path_symlink :../ro 3 :rw/alias'],
    call: open('rw/alias/new', create),
    errno: rofs,
  },
  {
    title: 'read-only: removing through a link',
    before: ['path_symlink :../ro 3 :rw/alias'],
    call: 'path_unlink_file 3 :rw/alias/file',
    errno: rofs,
  },
  {
    title: 'read-only: space for a file',
    before: [open('ro/file', { rights: READ | Right.fdAllocate })],
    call: `fd_allocate ${IN} 0 100000`,
    errno: notcapable,
  },
  {
    title: 'read-only: all rights asked for at once',
    call: open('ro/file', { rights: -1n }),
    errno: rofs,
  },
  {
    title: 'read-only: from within, when it took the place of the root',
    before: [open('ro', { rights: DIR, inheriting: DIR | WRITE }), `fd_renumber ${IN} 3`],
    call: open('new', create),
    errno: rofs,
  },
  {
    title: 'read-only: writing at an offset',
    before: [open('ro/file', { rights: READ })],
    call: `fd_pwrite ${IN} iov=4 0 out`,
    errno: notcapable,
  },
  // Mount points and the tree's own directories
  { title: 'moving a mount', call: 'path_rename 3 :rw 3 :moved', errno: busy },
  { title: 'removing a mount', call: 'path_remove_directory 3 :rw', errno: busy },
  { title: 'making beside the mounts', call: open('new', create), errno: rofs },
  { title: 'a directory beside the mounts', call: 'path_create_directory 3 :new', errno: rofs },
  { title: 'a link beside the mounts', call: 'path_symlink :rw 3 :new', errno: rofs },
  { title: 'moving over a mount', call: 'path_rename 3 :rw/dir 3 :ro', errno: rofs },
  { title: 'a file moved over a mount', call: 'path_rename 3 :rw/file 3 :wasm/entry.wasm', errno: rofs },
  { title: 'removing the module', call: 'path_unlink_file 3 :wasm/entry.wasm', errno: rofs },
  {
    title: 'writing into the module',
    call: open('wasm/entry.wasm', { rights: WRITE }),
    errno: rofs,
  },
  {
    title: 'the directory of the module renamed',
    call: 'path_rename 3 :wasm 3 :rw/wasm',
    errno: rofs,
  },
  { title: 'a link over a mount', call: 'path_symlink :rw 3 :ro', errno: exist },
  { title: 'a mount as a file', call: 'path_unlink_file 3 :ro', errno: isdir },
  { title: 'a directory written as a file', call: open('rw/dir', { rights: WRITE }), errno: isdir },
  { title: 'a second name of a directory', call: 'path_link 3 0 :rw/dir 3 :rw/x', errno: perm },
];

/** A pipe, a device (or where that may not be made, another pipe) and a socket, of which each world has a second name. */
const special = mkdtempSync(join(tmpdir(), 'escape-'));
beforeAll(() => {
  const script = `mkfifo pipe other-pipe; mknod device c 1 3 || mkfifo device
    python3 -c 'import os, stat; os.mknod("socket", stat.S_IFSOCK | 0o600)'`;
  expect(spawnSync('sh', ['-c', script], { cwd: special }).status).toBe(0);
});
afterAll(() => rmSync(special, { recursive: true }));

/** Everything outside of `rw` and all of `ro`: names, kinds, targets, contents, modes and times of change. */
function snapshot(directory: string): string[] {
  const lines: string[] = [];
  const walk = (path: string) => {
    const stat = lstatSync(path, { bigint: true });
    const content = stat.isFile()
      ? readFileSync(path, 'hex')
      : stat.isSymbolicLink()
      ? readlinkSync(path)
      : '';
    lines.push(`${path} ${stat.mode} ${stat.nlink} ${stat.mtimeNs} ${stat.size} ${content}`);
    if (stat.isDirectory()) { for (const name of readdirSync(path).sort()) walk(join(path, name)); }
  };
  walk(directory);
  return lines;
}

function furnish(world: World): void {
  writeFileSync(world.path('outside/secret'), 'secret');
  chmodSync(world.path('outside/secret'), 0o600);
  symlinkSync('secret', world.path('outside/link'));
  writeFileSync(world.path('ro/file'), 'read only');
  mkdirSync(world.path('ro/dir'));
  writeFileSync(world.path('rw/file'), 'file');
  mkdirSync(world.path('rw/dir'));
  const links: Record<string, string> = {
    absolute: world.path('outside/secret'),
    'absolute-dir': world.path('outside'),
    upwards: '../../outside',
    twice: 'upwards',
    beside: '../outside/../../..',
    dangling: world.path('outside/new'),
    loop: 'loop',
    'circle-a': 'circle-b',
    'circle-b': './circle-a',
    proc: '/proc',
    descriptor: '/proc/self/fd/1',
    'descriptor-up': '/proc/self/fd/3/../..',
    'own-root': '/proc/self/root',
    'own-cwd': '/proc/self/cwd',
    here: '.',
    'long-link': '../'.repeat(1365),
    slashed: 'file/',
    dots: '../..',
    'double-0': 'file',
    'to-pipe': 'pipe',
    // A decomposed ä, a composed é.
    'a\u0308': 'file',
    '\u00e9': 'file',
    'chain-0': 'file',
  };
  for (let index = 1; index <= 40; index++) links[`chain-${index}`] = `chain-${index - 1}`;
  for (let index = 1; index <= 40; index++) {
    links[`double-${index}`] = `here/double-${index - 1}/../double-${index - 1}`;
  }
  for (const [name, target] of Object.entries(links)) symlinkSync(target, world.path('rw', name));
  mkdirSync(world.path('rw/empty'));
  for (const name of ['pipe', 'device', 'socket']) linkSync(join(special, name), world.path('rw', name));
  linkSync(join(special, 'other-pipe'), world.path('ro/pipe'));
}

it('is a corpus of attempts, each one different', () => {
  expect(new Set(ATTEMPTS.map(({ title }) => title)).size).toBe(ATTEMPTS.length);
  expect(ATTEMPTS.length).toBeGreaterThanOrEqual(60);
});

underEachRuntime('attempts to escape', (world) => {
  it.each(ATTEMPTS.map((attempt) => [attempt.title, attempt] as const))('%s', async (_title, attempt) => {
    const given = world();
    furnish(given);
    const before = [...snapshot(given.path('outside')), ...snapshot(given.path('ro'))];
    const { before: calls = [], call, errno } = attempt;
    const errnos = await given.errnos([...calls, call]);
    expect(errnos).toEqual([...calls.map(() => 0), errno]);
    expect([...snapshot(given.path('outside')), ...snapshot(given.path('ro'))]).toEqual(before);
    expect(readdirSync(given.directory).sort()).toEqual(['outside', 'ro', 'rw']);
  });

  it('a hard link that leads in is the file that it is, and nothing more', async () => {
    const given = world();
    furnish(given);
    linkSync(given.path('outside/secret'), given.path('rw/hard'));
    const before = readFileSync(given.path('outside/secret'), 'utf8');
    // Whoever puts a file into a mount gives it; taking the name away takes only the name.
    expect(await given.errnos(['path_unlink_file 3 :rw/hard', open('rw/hard')])).toEqual([0, Errno.noent]);
    expect(readFileSync(given.path('outside/secret'), 'utf8')).toBe(before);
  });

  it.each(['pipe', 'device', 'socket'])('a %s as an input itself, or as the module', async (name) => {
    const given = world();
    furnish(given);
    const hostPath = given.path('rw', name);
    for (const target of ['/input', '/wasm/other.wasm']) {
      const inputs = [{ hostPath, target, readOnly: true }];
      await expect(given.calls(['sched_yield'], { inputs })).rejects
        .toThrow(/Cannot mount "[^"]+" at "[^"]+": it is neither a file nor a directory/);
    }
    expect(await given.errnos(['sched_yield'])).toEqual([0]);
  });
});
