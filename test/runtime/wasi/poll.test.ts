/** `poll_oneoff`: each kind of clock subscription, and descriptors of each kind beside them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { expect, it } from 'vitest';
import { type Answer, Errno, open, Right, subscription, underEachRuntime, type World } from './guest.ts';

const MS = 1_000_000n;
const HOUR = 3_600_000n * MS;
const [REALTIME, MONOTONIC] = [0, 1];
const SUBSCRIPTION = 48;
const EVENT = 32;
const [READ, WRITE] = [1 << 16, 2 << 16];

/** Makes subscriptions and waits; gives the events (userdata, type and errno, bytes, flags) and how long it took. */
async function polled(
  given: World,
  subscriptions: readonly Parameters<typeof subscription>[1][],
  before: readonly string[] = [],
): Promise<{ events: number[][]; ms: number; answer: Answer }> {
  const calls = [
    ...before,
    ...subscriptions.flatMap((each, index) => subscription(index * SUBSCRIPTION, each)),
    'clock_time_get 1 0 out',
    `poll_oneoff buf buf ${subscriptions.length} out`,
    ...subscriptions.flatMap((_, index) => [0, 8, 16, 24].map((at) => `word ${index * EVENT + at}`)),
    'clock_time_get 1 0 out',
  ];
  const answers = await given.calls(calls);
  const words = subscriptions.length * 4;
  const answer = answers.at(-words - 2)!;
  const numbers = answers.slice(-words - 1, -1).map(({ text }) => Number(text));
  const events = subscriptions.map((_, index) => numbers.slice(index * 4, index * 4 + 4)).slice(
    0,
    answer.u32,
  );
  return { events, answer, ms: Number((answers.at(-1)!.u64 - answers.at(-words - 3)!.u64) / MS) };
}

underEachRuntime('poll_oneoff', (world) => {
  it.each([['real time', REALTIME], ['monotonic', MONOTONIC]])(
    'a wait by the clock of %s',
    async (_title, id) => {
      const { events, ms } = await polled(world(), [{ data: 7, clock: { id, ns: 40n * MS } }]);
      expect(events).toEqual([[7, 0, 0, 0]]);
      // A real-time clock of milliseconds may be one ahead.
      expect(ms).toBeGreaterThanOrEqual(39);
    },
  );

  it.each([['real time', REALTIME], ['monotonic', MONOTONIC]])(
    'a point in time by the clock of %s: in the past at once, in the future then',
    async (_title, id) => {
      const past = await polled(world(), [{ data: 1, clock: { id, ns: 1n, absolute: true } }]);
      expect(past.events).toEqual([[1, 0, 0, 0]]);

      const now = id === REALTIME ? BigInt(Date.now()) * MS : process.hrtime.bigint();
      // The guest starts first: long enough that it is still to come on a busy machine.
      const due = now + 1500n * MS;
      const given = world();
      const answers = await given.calls([
        ...subscription(0, { data: 2, clock: { id, ns: due, absolute: true } }),
        'poll_oneoff buf out 1 out',
        `clock_time_get ${id} 0 out`,
      ]);
      expect(answers.at(-2)!.errno).toBe(0);
      expect(answers.at(-1)!.u64).toBeGreaterThanOrEqual(due - MS);
    },
  );

  it('the first of several is told, and all that are due with it', async () => {
    const { events } = await polled(world(), [
      { data: 1, clock: { ns: HOUR } },
      { data: 2, clock: { id: REALTIME, ns: 20n * MS } },
      { data: 3, clock: { ns: 20n * MS } },
      { data: 4, clock: { ns: 0n } },
      { data: 5, clock: { id: REALTIME, ns: 0n } },
      { data: 6, clock: { ns: 1n, absolute: true } },
    ]);
    expect(events.map(([data]) => data)).toEqual(expect.arrayContaining([6]));
    expect(events.map(([data]) => data)).not.toContain(1);
    expect(events.map(([data]) => data)).not.toContain(2);
  });

  it('clocks of processor time, and those that there are not, end the wait with their errno', async () => {
    for (const id of [2, 3, 4, 0xffff_ffff]) {
      const { events } = await polled(world(), [
        { data: 1, clock: { id, ns: HOUR } },
        { data: 2, clock: { ns: HOUR } },
      ]);
      expect(events).toEqual([[1, Errno.inval, 0, 0]]);
    }
  });

  it('a time-out beside a descriptor that is ready does not wait, nor is it told', async () => {
    const { events } = await polled(world(), [{ data: 1, clock: { ns: HOUR } }, { data: 2, write: 2 }]);
    expect(events).toEqual([[2, WRITE, 65_536, 0]]);
  });

  it('descriptors: each kind, at the end, without the right, twice the same', async () => {
    const given = world();
    writeFileSync(given.path('rw/file'), '0123456789');
    mkdirSync(given.path('rw/dir'));
    const rights = Right.fdRead | Right.fdWrite | Right.fdSeek | Right.pollFdReadwrite;
    const { notcapable, badf } = Errno;
    const { events } = await polled(given, [
      { data: 1, read: 0 },
      { data: 2, write: 0 },
      { data: 3, read: 1 },
      { data: 4, read: 3 },
      { data: 5, write: 3 },
      { data: 6, read: 4 },
      { data: 7, write: 4 },
      { data: 8, read: 4 },
      { data: 9, read: 5 },
      { data: 10, write: 99 },
      { data: 11, read: 6 },
    ], [
      open('rw/file', { rights }),
      open('rw/file', { rights: Right.fdRead }),
      open('rw/file', { rights }),
      'fd_seek $3 100 0 out',
      'fd_seek $1 4 0 out',
    ]);
    expect(events).toEqual([
      [1, READ, 0, 1],
      [2, WRITE + notcapable, 0, 0],
      [3, READ + notcapable, 0, 0],
      [4, READ + notcapable, 0, 0],
      [5, WRITE + notcapable, 0, 0],
      [6, READ, 6, 0],
      [7, WRITE, 65_536, 0],
      [8, READ, 6, 0],
      [9, READ + notcapable, 0, 0],
      [10, WRITE + badf, 0, 0],
      [11, READ, 0, 0],
    ]);
  });

  it('no subscriptions, and kinds that there are not', async () => {
    const refused = async (type: number) =>
      (await world().calls(['set64 0 1', `set64 8 ${type}`, 'poll_oneoff buf out 1 out'])).at(-1)!.errno;
    for (const type of [3, 127, 255]) expect(await refused(type)).toBe(Errno.inval);
    expect(await world().errnos(['poll_oneoff buf out 0 out'])).toEqual([Errno.inval]);
  });
});
