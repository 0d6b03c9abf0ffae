import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Parser, type ParserHandler } from '../../../runtime/nats/parser.ts';
import { ServerError } from '../../../runtime/nats/protocol.ts';

const MAX_LINE = 64;
const MAX_PAYLOAD = 200;

/** What a parser said about a stream that came in these chunks. */
function parse(chunks: readonly Buffer[]): unknown[] {
  const events: unknown[] = [];
  const handler: ParserHandler & { stopped: boolean } = {
    stopped: false,
    connect: (json) => events.push(['connect', json]),
    ping: () => events.push(['ping']),
    pong: () => events.push(['pong']),
    publish: (...args) => events.push(['publish', ...args.slice(0, 3), args[3].toString('latin1')]),
    subscribe: (...args) => events.push(['subscribe', ...args]),
    unsubscribe: (...args) => events.push(['unsubscribe', ...args]),
    fail(error) {
      handler.stopped = true;
      events.push(['fail', error]);
    },
  };
  const parser = new Parser(handler, MAX_LINE, MAX_PAYLOAD);
  for (const chunk of chunks) if (!handler.stopped) parser.feed(chunk);
  return events;
}

const word = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom(...'abZ0.*>_$') });
const payload = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const operation = fc.oneof(
  fc.constantFrom('PING\r\n', 'PONG\n', 'ping\r\n', '+OK\r\n', 'CONNECT {"a":1}\r\n'),
  fc.tuple(word, word).map(([s, id]) => `SUB ${s}  ${id}\r\n`),
  fc.tuple(word, word, word).map(([s, q, id]) => `sub ${s}\t${q} ${id}\n`),
  fc.tuple(word, fc.nat(99)).map(([id, n]) => `UNSUB ${id} ${n}\r\n`),
  fc.tuple(word, payload).map(([s, p]) => `PUB ${s} ${p.length}\r\n${p}\r\n`),
  fc.tuple(word, word, payload, payload).filter(([, , h, p]) => h.length + p.length <= MAX_PAYLOAD)
    .map(([s, r, h, p]) => `HPUB ${s} ${r} ${h.length} ${h.length + p.length}\r\n${h}${p}\r\n`),
);
const nonsense = fc.oneof(
  fc.string({ maxLength: 100, unit: fc.constantFrom(...'PUBSHING 19\t\r\n.-+') }),
  fc.constantFrom(
    'PUB a 201\r\n',
    'PUB a 3\r\nabc',
    'SUB ' + 'x'.repeat(80),
    '\r\n',
    'PUB a\r\n',
    "-ERR 'x'\r\n",
  ),
);
const cuts = fc.array(fc.nat(1000), { maxLength: 30 });

function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const at = [...new Set(places.map((p) => p % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, i) => Buffer.from(bytes.subarray(i === 0 ? 0 : at[i - 1]!, end)));
}

describe('the stream parser', () => {
  test('gives the same for any cut of a valid stream, and loses nothing', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), cuts, (operations, places) => {
        const text = operations.join('');
        const whole = parse([Buffer.from(text, 'latin1')]);
        expect(whole.filter((e) => (e as unknown[])[0] === 'fail')).toEqual([]);
        expect(whole).toHaveLength(operations.filter((o) => o !== '+OK\r\n').length);
        expect(parse(cut(text, places))).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  test('gives the same for any cut of a stream that turns to nonsense', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 3 }), fc.array(nonsense), cuts, (good, bad, places) => {
        const text = good.join('') + bad.join('');
        expect(parse(cut(text, places))).toEqual(parse([Buffer.from(text, 'latin1')]));
      }),
      { numRuns: 1000 },
    );
  });

  test('gives the same byte by byte', () => {
    fc.assert(fc.property(fc.array(operation, { maxLength: 4 }), (operations) => {
      const text = operations.join('');
      const bytes = [...Buffer.from(text, 'latin1')].map((byte) => Buffer.of(byte));
      expect(parse(bytes)).toEqual(parse([Buffer.from(text, 'latin1')]));
    }));
  });

  test('keeps bytes of headers and body apart and untouched', () => {
    expect(parse([Buffer.from('HPUB s r 4 9\r\nabcd\r\n\0\xffe\r\n', 'latin1')])).toEqual([
      ['publish', 's', 'r', 4, 'abcd\r\n\0\xffe'],
    ]);
  });

  test('stops at limits before the bytes that break them have come', () => {
    expect(parse([Buffer.from('PUB a 201\r\n')])).toEqual([['fail', ServerError.maxPayload]]);
    expect(parse([Buffer.from(`SUB ${'x'.repeat(MAX_LINE + 20)}`)])).toEqual([[
      'fail',
      ServerError.controlLine,
    ]]);
    expect(parse([Buffer.from('x'.repeat(MAX_LINE + 20))])).toEqual([['fail', ServerError.unknownOperation]]);
  });
});
