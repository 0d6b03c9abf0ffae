/** WASI families without files: `args_*`, `environ_*`, `clock_*`, `proc_*`, `random_get`, `sock_*`. */
import { expect, it } from 'vitest';
import { Errno, underEachRuntime } from './guest.ts';

underEachRuntime('the system', (world) => {
  it('arguments and environment as given, of any text', async () => {
    const answers = await world().calls([
      'args_sizes_get out out',
      'environ_sizes_get buf out',
      'word 0',
      'environ_get buf buf',
      'name 0 20',
      'environ_get out buf',
      'name 0 5',
      'name 6 14',
    ], { env: { 'a': 'ä', lower_case: 'kept' } });
    // Both results in one place: the size comes last.
    expect(answers[0]!.errno).toBe(0);
    expect([answers[1]!.u32, Number(answers[2]!.text)]).toEqual([5 + 16, 2]);
    expect(answers[6]!.text).toBe('a=ä');
    expect(answers[7]!.text).toBe('ower_case=kept');
  });

  it('clocks: each id has a resolution and goes on; others are none', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const answers = await world().calls([
      ...[0, 1, 2, 3].flatMap((id) => [
        `clock_res_get ${id} out`,
        `clock_time_get ${id} 0 out`,
        `clock_time_get ${id} 0 out`,
      ]),
      'clock_res_get 4 out',
      'clock_time_get 4 0 out',
      'clock_time_get -1 0 out',
    ]);
    for (const id of [0, 1, 2, 3]) {
      const [resolution, first, second] = answers.slice(id * 3, id * 3 + 3);
      expect(resolution!.u64).toBeGreaterThan(0n);
      expect(second!.u64).toBeGreaterThanOrEqual(first!.u64);
    }
    expect(answers[1]!.u64).toBeGreaterThanOrEqual(before);
    expect(answers.slice(12).map(({ errno }) => errno)).toEqual([Errno.inval, Errno.inval, Errno.inval]);
  });

  it('random_get fills what it is told to, also nothing', async () => {
    const answers = await world().calls([
      'random_get buf 65536',
      'word 0',
      'word 65532',
      'random_get buf 0',
      'random_get buf 8',
      'word 0',
      'random_get 0 -1',
    ]);
    expect(new Set([1, 2, 5].map((index) => answers[index]!.text)).size).toBe(3);
    expect(answers[3]!.errno).toBe(0);
    expect(answers[6]!.errno).toBe(Errno.fault);
  });

  it.each([0, 1, 33, 126, 255, 256, 4_294_967_295])('proc_exit(%i) is the exit code', async (code) => {
    const { end } = await world().run([`proc_exit ${code}`, 'proc_exit 1']);
    expect(end).toEqual({ kind: 'exited', exitCode: code });
  });

  it('proc_raise: signals end the program, or are ignored, as everywhere', async () => {
    const raised = async (signal: number) => (await world().run([`proc_raise ${signal}`])).end;
    for (const signal of [1, 2, 6, 9, 11, 15, 30]) {
      expect(await raised(signal)).toEqual({ kind: 'exited', exitCode: 128 + signal });
    }
    expect(await world().errnos([0, 16, 17, 22, 27, 18, 21, 31, -1].map((signal) => `proc_raise ${signal}`)))
      .toEqual([0, 0, 0, 0, 0, Errno.notsup, Errno.notsup, Errno.inval, Errno.inval]);
  });

  it('there are no sockets', async () => {
    expect(
      await world().errnos([
        'sock_shutdown 1 3',
        'sock_accept 0 0 out',
        'sock_recv 0 iov=4 0 out out',
        'sock_send 1 iov=4 0 out',
        'sock_shutdown 3 3',
        'sock_shutdown 77 3',
        'sched_yield',
      ]),
    ).toEqual([...Array(4).fill(Errno.notsock), Errno.badf, Errno.badf, 0]);
  });
});
