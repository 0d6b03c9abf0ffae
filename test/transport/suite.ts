/** What every bus keeps to (mod/transport/bus/bus.ts). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus, BusMessage } from '../../mod/transport/mod.ts';
import { until } from '../support/until.ts';

/** No test waits for so long. */
const HOUR_MS = 3_600_000;

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = ({ data }: BusMessage) => new TextDecoder().decode(data);

export interface BusesUnderTest extends AsyncDisposable {
  connect(): Promise<Bus>;
}

export function busSuite(name: string, make: () => Promise<BusesUnderTest>): void {
  describe(`the bus ${name}`, () => {
    let made: BusesUnderTest;
    let a: Bus;
    let b: Bus;
    beforeEach(async () => {
      made = await make();
      [a, b] = [await made.connect(), await made.connect()];
    });
    afterEach(async () => {
      await Promise.all([a.close(), b.close()]);
      await made[Symbol.asyncDispose]();
    });

    it('delivers in order, with headers, to each that listens, by wildcards, too', async () => {
      const seen: Record<string, string[]> = { 'x.1': [], 'x.*': [], 'x.>': [] };
      for (const [subject, texts] of Object.entries(seen)) {
        b.subscribe(
          subject,
          (message) => texts.push(`${message.subject} ${textOf(message)} ${message.headers.K}`),
        );
      }
      await b.flush();
      const wanted = Array.from({ length: 100 }, (_, i) => `x.1 ${i} v${i}`);
      for (let i = 0; i < 100; i++) a.publish('x.1', bytes(String(i)), { headers: { K: `v${i}` } });
      await until(() => Object.values(seen).every((texts) => texts.length === 100));
      for (const texts of Object.values(seen)) expect(texts).toEqual(wanted);
    });

    it('gives a message to one of a queue group', async () => {
      const shares = [0, 0];
      let all = 0;
      a.subscribe('q', () => shares[0]!++, { queue: 'g' });
      b.subscribe('q', () => shares[1]!++, { queue: 'g' });
      b.subscribe('q', () => all++);
      await Promise.all([a.flush(), b.flush()]);
      for (let i = 0; i < 50; i++) a.publish('q', bytes('x'));
      await until(() => all === 50 && shares[0]! + shares[1]! === 50);
    });

    it('is silent after an unsubscribe', async () => {
      const seen: string[] = [];
      const first = b.subscribe('s', (message) => seen.push(`first ${textOf(message)}`));
      b.subscribe('s', (message) => seen.push(`second ${textOf(message)}`));
      await b.flush();
      a.publish('s', bytes('1'));
      await until(() => seen.length === 2);
      first.unsubscribe();
      first.unsubscribe();
      await b.flush();
      a.publish('s', bytes('2'));
      await until(() => seen.includes('second 2'));
      expect(seen).not.toContain('first 2');
    });

    it('answers a request, says at once that nobody listens, and gives up in time or when told', async () => {
      b.subscribe('echo', ({ reply, data }) => b.publish(reply, data));
      b.subscribe('silent', () => undefined);
      await b.flush();
      expect(textOf(await a.request('echo', bytes('hi'), { timeoutMs: HOUR_MS }))).toBe('hi');
      const nobody = a.request('nobody', bytes(''), { timeoutMs: HOUR_MS });
      await expect(nobody).rejects.toMatchObject({ code: 'NoResponders' });
      await expect(a.request('silent', bytes(''), { timeoutMs: 20 })).rejects.toMatchObject({
        code: 'TimeOut',
      });
      const stop = new AbortController();
      const stopped = a.request('silent', bytes(''), { timeoutMs: HOUR_MS, signal: stop.signal });
      stop.abort(new Error('told so'));
      await expect(stopped).rejects.toThrow('told so');
    });

    it('tells the sender of a message with a reply that nobody listens', async () => {
      const inbox = a.newInbox();
      const seen: (number | undefined)[] = [];
      a.subscribe(`${inbox}.*`, ({ status }) => seen.push(status));
      await a.flush();
      a.publish('nobody', bytes(''), { reply: `${inbox}.1` });
      await until(() => seen.length === 1);
      expect(seen).toEqual([503]);
      expect(b.newInbox()).not.toBe(inbox);
    });

    it('refuses what is larger than its limit, and goes on', async () => {
      const seen: number[] = [];
      b.subscribe('large', ({ data }) => seen.push(data.length));
      await b.flush();
      expect(() => a.publish('large', new Uint8Array(a.maxPayload + 1))).toThrow(
        expect.objectContaining({ code: 'PayloadTooLarge' }),
      );
      a.publish('large', new Uint8Array(1000));
      await until(() => seen.length === 1);
      expect(seen).toEqual([1000]);
    });

    it('once closed it says so, and takes nothing', async () => {
      await a.close();
      await a.closed;
      expect(() => a.publish('x', bytes(''))).toThrow(expect.objectContaining({ code: 'ConnectionClosed' }));
    });
  });
}
