/** WASI families without files: `args_*`, `environ_*`, `clock_*`, `poll_oneoff`, `proc_*`, `random_get`, `sock_*`. */
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Errno, open, Right, underEachRuntime } from './guest.ts';

/** A subscription (48 bytes) at `at` in `buf`, as calls that write it. */
function subscription(
  at: number,
  given: {
    data: number;
    clock?: { id?: number; ns: bigint; absolute?: boolean };
    read?: number;
    write?: number;
  },
): string[] {
  const { data, clock, read, write } = given;
  const type = clock ? 0 : read !== undefined ? 1 : 2;
  const calls = [`set64 ${at} ${data}`, `set64 ${at + 8} ${type}`];
  if (!clock) return [...calls, `set64 ${at + 16} ${read ?? write}`];
  return [
    ...calls,
    `set64 ${at + 16} ${clock.id ?? 1}`,
    `set64 ${at + 24} ${clock.ns}`,
    `set64 ${at + 32} 0`,
    `set64 ${at + 40} ${clock.absolute ? 1 : 0}`,
  ];
}

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

  it('poll_oneoff sleeps until the first clock, and tells which', async () => {
    const ms = 1_000_000n;
    const answers = await world().calls([
      'clock_time_get 1 0 out',
      ...subscription(0, { data: 11, clock: { ns: 3_600_000n * ms } }),
      ...subscription(48, { data: 22, clock: { ns: 30n * ms } }),
      ...subscription(96, { data: 33, clock: { id: 0, ns: 5n, absolute: true } }),
      'poll_oneoff buf out 2 out',
      `poll_oneoff buf ${0} 0 out`,
      'clock_time_get 1 0 out',
    ]);
    const [slept, none, after] = answers.slice(-3);
    expect(slept!.errno).toBe(0);
    expect(none!.errno).toBe(Errno.inval);
    const waited = after!.u64 - answers[0]!.u64;
    expect(waited).toBeGreaterThanOrEqual(30n * ms);
    expect(waited).toBeLessThan(5000n * ms);
  });

  it('poll_oneoff: descriptors are ready at once, each with its own error', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), '0123456789');
    const answers = await given.calls([
      open('rw/file', { rights: Right.fdRead | Right.pollFdReadwrite }),
      ...subscription(0, { data: 1, read: 0 }),
      ...subscription(48, { data: 2, write: 1 }),
      ...subscription(96, { data: 3, read: 4 }),
      ...subscription(144, { data: 4, write: 4 }),
      ...subscription(192, { data: 5, read: 99 }),
      ...subscription(240, { data: 6, clock: { ns: 3_600_000_000_000n } }),
      ...subscription(288, { data: 7, clock: { id: 9, ns: 1n } }),
      // The events overwrite the subscriptions: 32 bytes are never ahead of 48.
      'poll_oneoff buf buf 7 out',
      ...[0, 1, 2, 3, 4, 5].flatMap((event) => [
        `word ${event * 32}`,
        `word ${event * 32 + 8}`,
        `word ${event * 32 + 16}`,
        `word ${event * 32 + 24}`,
      ]),
    ]);
    const words = answers.slice(-24).map(({ text }) => Number(text));
    expect(answers.at(-25)!.u32).toBe(6);
    const READ = 1 << 16;
    const WRITE = 2 << 16;
    expect(words).toEqual([
      ...[1, READ, 0, 1],
      ...[2, WRITE, 65_536, 0],
      ...[3, READ, 10, 0],
      ...[4, WRITE + Errno.notcapable, 0, 0],
      ...[5, READ + Errno.badf, 0, 0],
      ...[7, Errno.inval, 0, 0],
    ]);
  });

  it('poll_oneoff refuses what it does not know', async () => {
    expect((await world().calls(['set64 0 1', 'set64 8 3', 'poll_oneoff buf out 1 out'])).at(-1)!.errno)
      .toBe(Errno.inval);
  });
});
