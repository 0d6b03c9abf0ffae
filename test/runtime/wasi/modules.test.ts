/** Modules in text form (test/fixtures/wasm/wasi/*.wat) against the host: linking, edges of memory, types that do not fit. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../runtime/wasi/errno.ts';
import { Bench, CHILDREN, FIXTURES } from '../../engine/wasm/helpers.ts';

describe.each(Object.entries(CHILDREN))('modules under %s', (_name, childCommand) => {
  const run = async (name: string) => {
    await using bench = new Bench({ childCommand });
    return await bench.run(join(FIXTURES, `wasi/${name}.wasm`));
  };
  const endOf = async (name: string) => (await run(name)).end;

  it('all 46 functions are there', async () => {
    expect(await endOf('all')).toEqual({ kind: 'exited', exitCode: 0 });
  });

  it('a module without a memory gets EFAULT', async () => {
    expect(await endOf('no_memory')).toEqual({ kind: 'exited', exitCode: Errno.fault });
  });

  it('pointers at the edges of a memory that grows', async () => {
    expect(await endOf('edges')).toEqual({ kind: 'exited', exitCode: 0 });
  });

  it('lists of buffers: bytes beyond what the result can tell, and more than is written in one piece', async () => {
    const { end, stdout } = await run('lists');
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(stdout).toBe('\0'.repeat(2 ** 20));
  });

  it('wrong types are the fault of the module, not of the node', async () => {
    expect(await endOf('wrong_types')).toMatchObject({ kind: 'exited', exitCode: Errno.inval });
  });
});
