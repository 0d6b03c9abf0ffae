/** Modules in text form (test/fixtures/wasm/wasi/*.wat) against the host: linking, edges of memory, types that do not fit. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Errno } from '../../../runtime/wasi/errno.ts';
import { Bench, CHILDREN, FIXTURES } from '../../engine/wasm/helpers.ts';

describe.each(Object.entries(CHILDREN))('modules under %s', (_name, childCommand) => {
  const run = async (name: string) => {
    await using bench = new Bench({ childCommand });
    return (await bench.run(join(FIXTURES, `wasi/${name}.wasm`))).end;
  };

  it('all 46 functions are there', async () => {
    expect(await run('all')).toEqual({ kind: 'exited', exitCode: 0 });
  });

  it('a module without a memory gets EFAULT', async () => {
    expect(await run('no_memory')).toEqual({ kind: 'exited', exitCode: Errno.fault });
  });

  it('pointers at the edges of a memory that grows', async () => {
    expect(await run('edges')).toEqual({ kind: 'exited', exitCode: 0 });
  });

  it('wrong types are the fault of the module, not of the node', async () => {
    expect(await run('wrong_types')).toMatchObject({ kind: 'exited', exitCode: Errno.inval });
  });
});
