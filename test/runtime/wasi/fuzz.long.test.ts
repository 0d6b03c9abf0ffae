/**
 * Random calls with random descriptors, paths, numbers and pointers: the host never fails, and nothing changes outside of
 * what is mounted read-write.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { underEachRuntime, type World } from './guest.ts';

const RUNS = 400;

/** d descriptor, c one that is not for the whole conversation, p text, r result, v list of buffers, n 64-bit number, s size of a file, f flags, b buffer and its length. */
const SIGNATURES: Readonly<Record<string, string>> = {
  args_sizes_get: 'rr',
  clock_res_get: 'fr',
  clock_time_get: 'fnr',
  environ_get: 'rr',
  fd_advise: 'dnnf',
  fd_allocate: 'dss',
  fd_close: 'c',
  fd_datasync: 'd',
  fd_fdstat_get: 'dr',
  fd_fdstat_set_flags: 'df',
  fd_fdstat_set_rights: 'cnn',
  fd_filestat_get: 'dr',
  fd_filestat_set_size: 'ds',
  fd_filestat_set_times: 'dnnf',
  fd_pread: 'dvsr',
  fd_prestat_dir_name: 'db',
  fd_prestat_get: 'dr',
  fd_pwrite: 'dvsr',
  fd_read: 'dvr',
  fd_readdir: 'dbfr',
  fd_renumber: 'cc',
  fd_seek: 'dnfr',
  fd_sync: 'd',
  fd_tell: 'dr',
  fd_write: 'dvr',
  path_create_directory: 'dp',
  path_filestat_get: 'dfpr',
  path_filestat_set_times: 'dfpnnf',
  path_link: 'dfpdp',
  path_open: 'dfpfnnfr',
  path_readlink: 'dpbr',
  path_remove_directory: 'dp',
  path_rename: 'dpdp',
  path_symlink: 'pdp',
  path_unlink_file: 'dp',
  random_get: 'b',
  sched_yield: '',
  sock_accept: 'dfr',
  sock_recv: 'dvfrr',
  sock_send: 'dvfr',
  sock_shutdown: 'df',
};

const PARTS = [
  '..',
  '.',
  '',
  'rw',
  'ro',
  'dir',
  'file',
  'link',
  'up',
  'absolute',
  'loop',
  'x',
  'y',
  'a'.repeat(300),
]
  .concat(['\\0', '\\xff', '\\xc3\\xa4', 'wasm', 'entry.wasm', 'proc', 'outside', 'secret']);
/** Paths that lead somewhere, from the root or from `rw`, beside those made of any parts. */
const GOOD = [
  'rw/file',
  'rw/dir',
  'rw/dir/file',
  'rw/x',
  'rw/y',
  'rw/link',
  'ro/file',
  'rw',
  'file',
  'dir',
  'x',
  'y',
]
  .concat(['rw/dir/x', 'link', '.', 'rw/dir/up/secret', 'rw/absolute/file', 'dir/../x', 'rw/x/y']);
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...GOOD) },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom(...PARTS), { maxLength: 6 }).map((parts) => parts.join('/')),
  },
).map((text) => `:${text}`);
const number = fc.oneof(
  fc.constantFrom(
    '0',
    '0',
    '5',
    '10',
    '0x3fffffff',
    '1',
    '-1',
    '9223372036854775807',
    '0x20000000',
    '0x1fffffff',
    '1048576',
  ),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
);
const bad = fc.constantFrom('0xfffffff0', '0xffffffff', '0x7fffffff');
const PARAMETERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  d: fc.constantFrom('3', '3', '3', '4', '4', '4', '5', '5', '6', '7', '8', '9', '0', '99', '-1'),
  c: fc.constantFrom('5', '6', '7', '8', '8', '9', '9', '10', '11', '99', '-1'),
  p: fc.oneof({ weight: 20, arbitrary: path }, { weight: 1, arbitrary: bad.map((at) => `${at} 20`) }),
  r: fc.oneof({ weight: 20, arbitrary: fc.constantFrom('out', 'buf') }, { weight: 1, arbitrary: bad }),
  v: fc.oneof(
    fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 8 }).map((all) => `iov=${all}`),
    fc.constantFrom('0xfffffff0 3', 'buf -1', 'buf 1025', 'iov=0xffffffff', 'iov=10', 'iov=10', 'iov=65536'),
  ),
  n: number,
  s: fc.constantFrom('0', '1', '100', '65536', '-1', '1099511627776', '9223372036854775807'),
  f: fc.constantFrom('0', '0', '0', '1', '1', '2', '4', '5', '10', '12', '16', '33', '-1'),
  b: fc.oneof(
    fc.integer({ min: 0, max: 65_536 }).map((length) => `buf ${length}`),
    bad.map((at) => `${at} 100`),
    fc.constant('buf -1'),
  ),
};
const call = fc.constantFrom(...Object.keys(SIGNATURES)).chain((name) =>
  fc.tuple(...[...SIGNATURES[name]!].map((kind) => PARAMETERS[kind]!))
    .map((parameters) => [name, ...parameters].join(' '))
);
/** A third of all calls opens something, so that there is something to call with. */
const open = fc.tuple(
  fc.constantFrom('3', '3', '4', '5'),
  path,
  fc.constantFrom(0, 0, 0, 1, 1, 2, 8, 9),
  fc.constantFrom('-1', '0x3fffffbf', '0x3fffffbf', '0x66', '0'),
  fc.constantFrom(0, 1, 4),
).map(([fd, name, oflags, rights, flags]) => `path_open ${fd} 1 ${name} ${oflags} ${rights} -1 ${flags} out`);
/** Descriptor 4: `rw`, 5: a file in it, 6 and 7: the same where nothing may change. */
const OPENED = [
  'path_open 3 1 :rw 0 0x3fffffbf -1 0 out',
  'path_open 3 1 :rw/file 0 -1 -1 0 out',
  'path_open 3 1 :ro 0 0x3fffffbf -1 0 out',
  'path_open 3 1 :ro/file 0 0x3fffffbf -1 0 out',
];
const calls = fc.array(fc.oneof({ weight: 2, arbitrary: call }, { weight: 1, arbitrary: open }), {
  minLength: 20,
  maxLength: 80,
}).map((made) => [...OPENED, ...made]);

function snapshot(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map(String).sort().map((name) => {
    const stat = lstatSync(join(directory, name), { bigint: true });
    const content = stat.isFile()
      ? readFileSync(join(directory, name), 'hex')
      : stat.isSymbolicLink()
      ? readlinkSync(join(directory, name))
      : '';
    return `${name} ${stat.mode} ${stat.nlink} ${stat.mtimeNs} ${stat.size} ${content}`;
  });
}

function furnish(given: World): void {
  for (const place of ['rw', 'ro', 'outside']) {
    mkdirSync(given.path(place, 'dir'));
    writeFileSync(given.path(place, 'file'), place);
    writeFileSync(given.path(place, 'dir/file'), place);
    symlinkSync('file', given.path(place, 'link'));
    symlinkSync('loop', given.path(place, 'loop'));
    symlinkSync('../../outside', given.path(place, 'dir/up'));
    symlinkSync(given.path('outside'), given.path(place, 'absolute'));
  }
}

underEachRuntime('random calls', (world) => {
  it('harm neither the host nor what is beside', async () => {
    await fc.assert(
      fc.asyncProperty(calls, async (made) => {
        const given = world();
        furnish(given);
        const before = [snapshot(given.path('outside')), snapshot(given.path('ro'))];
        const { end } = await given.run(made);
        expect(end).toEqual({ kind: 'exited', exitCode: 0 });
        expect([snapshot(given.path('outside')), snapshot(given.path('ro'))]).toEqual(before);
        expect(readdirSync(given.directory).sort()).toEqual(['outside', 'ro', 'rw']);
      }),
      { numRuns: RUNS },
    );
  });
});
