/** Silence counts only while somebody listens, and is noticed when it is due. */
import { expect, it } from 'vitest';
import { SilenceWatch } from '../../../mod/orchestrator/nodes/silence.ts';
import { type LiveSession, Sessions } from '../../../mod/orchestrator/nodes/sessions.ts';
import { DEFAULT_SETTINGS } from '../../../mod/orchestrator/options.ts';
import { SimClock, SimWorld } from '../../sim/clock.ts';
import { Random } from '../../sim/random.ts';

const SECOND = 1000;

function rig() {
  const clock = new SimClock();
  const world = new SimWorld(clock, new Random(1));
  const sessions = new Sessions();
  const silent: string[] = [];
  const watch = new SilenceWatch(world, DEFAULT_SETTINGS, sessions, (nodes) => {
    for (const { nodeId } of nodes) silent.push(`${nodeId} at ${Math.floor(clock.now / SECOND)}`);
  });
  const join = (nodeId: string, extended: boolean) => {
    const session: LiveSession = {
      nodeId,
      epoch: 1,
      incarnation: '',
      extended,
      connected: true,
      silent: false,
      lastHeard: world.now(),
      reportedSeq: 0n,
      available: {},
      queued: {},
      inventory: null,
      cancelled: new Set(),
    };
    sessions.put(session);
    watch.expect(session);
    return session;
  };
  const until = (seconds: number) => {
    clock.at(seconds * SECOND - clock.now, () => undefined);
    return clock.run(seconds * SECOND, () => clock.now >= seconds * SECOND);
  };
  return { watch, join, until, silent, world };
}

it('a node with the shorter allowance is noticed first, though it came later', async () => {
  const { watch, join, until, silent } = rig();
  watch.resume();
  join('foreign', false);
  await until(10);
  join('own', true);
  await until(300);
  expect(silent).toEqual(['own at 75', 'foreign at 190']);
});

it('time without a connection to the message server does not count', async () => {
  const { watch, join, until, silent } = rig();
  watch.resume();
  join('own', true);
  await until(50);
  watch.pause();
  await until(500);
  expect(silent).toEqual([]);
  watch.resume();
  await until(560);
  expect(silent).toEqual([]);
  await until(600);
  expect(silent).toEqual(['own at 565']);
});

it('a clock that is set forward, or a machine that slept, makes no node silent', async () => {
  const { watch, join, until, silent, world } = rig();
  watch.resume();
  join('own', true);
  await until(50);
  world.skewMs += 3600 * SECOND;
  await until(70);
  expect(silent).toEqual([]);
  await until(300);
  expect(silent.length).toBe(1);
});
