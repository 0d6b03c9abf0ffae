import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { every, realWorld, steadyClock, timeoutSignal } from '../../runtime/world.ts';

const DAY_MS = 86_400_000;

describe('the wall clock', () => {
  it('follows steps forward, never goes back, and is right again in time', () => {
    let [wall, tick] = [1_000_000, 0];
    const clock = steadyClock(() => wall, () => BigInt(tick) * 1_000_000n);
    const pass = (ms: number) => {
      wall += ms;
      tick += ms;
      return Number(clock() / 1_000_000n);
    };
    expect(pass(10)).toBe(1_000_010);
    // The machine sleeps: only the wall clock goes on.
    wall += 8 * 3_600_000;
    expect(pass(0)).toBe(1_000_010 + 8 * 3_600_000);
    // Somebody sets it back by an hour.
    wall -= 3_600_000;
    const before = Number(clock() / 1_000_000n);
    expect(pass(1000)).toBe(before + 500);
    expect(pass(7_200_000)).toBe(wall);
    expect(pass(5)).toBe(wall);
  });
});

describe('timers', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('beyond what the runtime can do fire when they should', async () => {
    const fired: string[] = [];
    realWorld.after(60 * DAY_MS, () => fired.push('after'));
    realWorld.after(Infinity, () => fired.push('never'));
    void realWorld.sleep(70 * DAY_MS).then(() => fired.push('sleep'));
    timeoutSignal(60 * DAY_MS).onabort = () => fired.push('signal');
    const dropped = realWorld.after(60 * DAY_MS, () => fired.push('dropped'));
    await vi.advanceTimersByTimeAsync(59 * DAY_MS);
    dropped[Symbol.dispose]();
    expect(fired).toEqual([]);
    await vi.advanceTimersByTimeAsync(1 * DAY_MS);
    expect(fired).toEqual(['after', 'signal']);
    await vi.advanceTimersByTimeAsync(100 * DAY_MS);
    expect(fired).toEqual(['after', 'signal', 'sleep']);
  });

  it('that go again and again do so until they are disposed, within a call too', async () => {
    let calls = 0;
    const timer = every(30 * DAY_MS, () => {
      if (++calls === 3) timer[Symbol.dispose]();
    });
    await vi.advanceTimersByTimeAsync(29 * DAY_MS);
    expect(calls).toBe(0);
    await vi.advanceTimersByTimeAsync(200 * DAY_MS);
    expect(calls).toBe(3);
  });

  it('of no number are refused', () => {
    expect(() => realWorld.after(NaN, () => undefined)).toThrow('not a number');
  });
});
