/** Programs and environments at the edge of what there is: each runs as it would anywhere, or says why it cannot. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { Workbench } from './support/workbench.ts';

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('a program', () => {
  let bench: Workbench;
  let odd: string;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
    odd = await host!.image('bacalhau-test/odd:1', [], {
      'bin/noexec': 'not a program',
      'bin/badinterp': '#!/no/such/interpreter\necho never\n',
    });
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  it('with thousands of variables, lines, quotes and characters of all kinds gets each as it is', async () => {
    const many = Object.fromEntries(Array.from({ length: 4096 }, (_, i) => [`VARIABLE_${i}`, `value ${i}`]));
    const text = 'ünï\ncode 🐳\t\'"$HOME `x` \\ \u202e';
    const { stdout } = await bench.run({
      env: { ...many, TEXT: text, EMPTY: '', LONG: 'x'.repeat(100_000) },
      params: {
        Entrypoint: [
          '/bin/sh',
          '-c',
          'env | grep -c "^VARIABLE_"; printf "%s|" "$TEXT" "$EMPTY" ${#LONG} "$0" "$1" "$2"',
        ],
        Parameters: [text, '', ' '],
      },
    });
    const parts = ['4096\n' + text, '', '100000', text, '', ' ', ''];
    expect(Buffer.from(stdout, 'latin1').toString()).toBe(parts.join('|'));
  });

  it.each([
    ['nothing', 'true', 0, ''],
    ['no last newline', 'printf abc', 0, 'abc'],
    ['on closed streams', 'echo before; exec >&- 2>&-; sleep 0.1; exit 6', 6, 'before\n'],
    ['while its children live on with its streams', 'echo before; setsid sleep 1000 & exit 4', 4, 'before\n'],
    ['among zombies', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); (true) & done; echo end', 0, 'end\n'],
  ])('that prints %s ends in its own way', async (_, script, exitCode, stdout) => {
    expect(await bench.run({ script })).toMatchObject({ end: { kind: 'exited', exitCode }, stdout });
  });

  it.each([
    ['bin/noexec', 'ExecutableInvalid', 126, 'another platform'],
    ['bin/badinterp', 'ExecutableNotFound', 127, 'interpreter'],
  ])('that the kernel does not take says so: %s', async (name, code, exitCode, hint) => {
    const { end } = await bench.run({ image: odd, params: { Entrypoint: [`/${name}`] } });
    expect(end).toMatchObject({
      kind: 'failed',
      class: 'user',
      code,
      exitCode,
      message: expect.stringContaining(`exec /${name}: `),
      hint: expect.stringContaining(hint),
    });
  });

  it('with an argument that is too long is told which limit there is', async () => {
    const { end } = await bench.run({ script: 'true', env: { LONG: 'x'.repeat(140_000) } });
    expect(end).toMatchObject({
      code: 'ArgumentsTooLong',
      class: 'user',
      hint: expect.stringContaining('128 KiB'),
    });
  });

  it('with a zero byte in its environment is its own fault', async () => {
    const thrown = await bench.run({ script: 'true', env: { A: 'x\0y' } }).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'EnvironmentInvalid', details: { class: 'user' } });
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
  });

  it('that prints what the runtime would, but more, has ended by itself', async () => {
    const { end } = await bench.run({ script: 'echo out; echo "exec /x: exec format error" >&2; exit 1' });
    expect(end).toEqual({ kind: 'exited', exitCode: 1 });
  });
});
