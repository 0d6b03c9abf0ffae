/** The envelope's bytes against the worked examples of wire-protocol.md 4.7 and against hostile input. */
import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../mod/transport/wire/codec.ts';
import { decodeEnvelope, encodeEnvelope } from '../../mod/transport/wire/envelope.ts';
import { decodeError, encodeError } from '../../mod/transport/wire/replies.ts';
import { BacalhauError } from '../../mod/model/mod.ts';

const utf8 = new TextEncoder();

function raw(text: string, schema = 1): Uint8Array {
  const body = utf8.encode(text);
  const data = new Uint8Array(5 + body.length);
  data[0] = schema;
  new DataView(data.buffer).setUint32(1, crc32(body));
  data.set(body, 5);
  return data;
}

/** Type and encoding as a peer must send them at least. */
const META = '"metadata":{"Bacalhau-PayloadEncoding":"json","Bacalhau-Type":"transport.HeartbeatResponse"}';

describe('worked examples', () => {
  it('A: BidAccepted, byte for byte', () => {
    const { data } = encodeMessage(
      'BidAccepted',
      { Events: null, ExecutionID: 'e-1', Accepted: true },
      'orchestrator-n-1',
      1735787045000000000n,
      {
        'Bacalhau-MessageID': 'seq-43',
        'Bacalhau-SeqNum': '43',
        'Bacalhau-Subject': 'bacalhau.global.compute.n-1.in.msgs',
      },
    );
    expect(data.length).toBe(381);
    expect(data.slice(0, 5).toHex()).toBe('017298a75a');
    expect(decodeMessage(data)).toMatchObject({ type: 'BidAccepted', payload: { ExecutionID: 'e-1' } });
  });

  it('B: the smallest useful envelope', () => {
    const metadata = { 'Bacalhau-PayloadEncoding': 'json', 'Bacalhau-Type': 'transport.HeartbeatResponse' };
    const data = encodeEnvelope(metadata, { LastComputeSeqNum: 7 });
    expect(data.length).toBe(133);
    expect(data.slice(0, 5).toHex()).toBe('01cc48e69d');
    expect(decodeMessage(data).payload).toEqual({ LastComputeSeqNum: 7n });
  });

  it('C: schema 2 is understood', () => {
    const data = Uint8Array.fromHex(
      '027b53c6c80a400a1c0a0d426163616c6861752d54797065120b42696452656a' +
        '65637465640a200a18426163616c6861752d5061796c6f6164456e636f64696e' +
        '6712046a736f6e12170a157b22457865637574696f6e4944223a22652d31227d',
    );
    expect(data.length).toBe(96);
    expect(decodeMessage(data)).toMatchObject({
      type: 'BidRejected',
      payload: { Events: null, ExecutionID: 'e-1' },
    });
  });

  it('the further CRC vector', () => {
    const { data } = encodeMessage(
      'transport.HeartbeatResponse',
      { LastComputeSeqNum: 7n },
      'orchestrator-control',
      1735787045000000000n,
    );
    expect(data.length).toBe(279);
    expect(data.slice(0, 5).toHex()).toBe('01692d170b');
  });
});

describe('what is written', () => {
  it('escapes as Go does', () => {
    const data = encodeEnvelope({ Type: 'x' }, { a: '<b>&\u2028\u2029é' });
    expect(new TextDecoder().decode(data.subarray(5)))
      .toBe('{"metadata":{"Type":"x"},"payload":{"a":"\\u003cb\\u003e\\u0026\\u2028\\u2029é"}}');
  });

  it('keeps integers beyond 2^53', () => {
    const { data } = encodeMessage(
      'transport.HeartbeatResponse',
      { LastComputeSeqNum: 2n ** 64n - 1n },
      's',
      1n,
    );
    expect(decodeMessage(data).payload).toEqual({ LastComputeSeqNum: 2n ** 64n - 1n });
  });

  it('carries errors both ways', () => {
    const error = new BacalhauError('HandshakeRequired', 'node n-1 not connected - handshake required', {
      retryable: true,
    });
    const decoded = decodeMessage(encodeError(error, 'orchestrator-control', 5n).data);
    expect(decoded).toMatchObject({
      type: 'BacError',
      payload: { Code: 'HandshakeRequired', HTTPStatusCode: 428, Retryable: true, Details: null },
      metadata: { 'Bacalhau-StatusCode': '428', 'Bacalhau-ErrorCode': 'HandshakeRequired' },
    });
    if (decoded.type !== 'BacError') throw new Error('not an error');
    expect(decodeError(decoded.payload)).toMatchObject({ code: 'HandshakeRequired', retryable: true });
  });
});

describe('what is read', () => {
  it.each([
    ['short', new Uint8Array([1, 2, 3]), 'bad message: too short'],
    ['version', raw('{}', 3), 'unsupported encoding: 0x03'],
    ['crc', raw('{}').fill(9, 1, 2), 'bad message: CRC check failed'],
    ['empty', raw(''), 'failed to deserialize with encoding json-v1: '],
    ['no json', raw('nope'), 'failed to deserialize with encoding json-v1: '],
    ['no metadata', raw('{"payload":{}}'), 'failed to deserialize with encoding json-v1: metadata'],
    ['null metadata', raw('{"metadata":null,"payload":{}}'), 'failed to deserialize with encoding json-v1: '],
    ['number in metadata', raw('{"metadata":{"Type":1}}'), 'failed to deserialize with encoding json-v1: '],
    ['no encoding', raw('{"metadata":{"Type":"BidResult"},"payload":{}}'), 'unsupported encoding: '],
    [
      'type',
      raw('{"metadata":{"Type":"X","PayloadEncoding":"json"},"payload":{}}'),
      'unsupported message type: X',
    ],
    ['no payload', raw(`{${META}}`), 'failed to deserialize with encoding json: '],
    [
      'bad payload',
      raw(`{${META},"payload":{"LastComputeSeqNum":"7"}}`),
      'failed to deserialize with encoding json: ',
    ],
    ['torn protobuf', raw('\n\u0040', 2), 'failed to deserialize with encoding protobuf-v1: '],
  ])('%s', (_name, data, text) => {
    expect(() => decodeMessage(data)).toThrow(BacalhauError);
    expect(() => decodeMessage(data)).toThrow(text);
  });

  it('a null payload is the zero value; keys of any case, blanks and legacy metadata are read', () => {
    expect(decodeMessage(raw(`{${META},"payload":null}`)).payload).toEqual({ LastComputeSeqNum: 0n });
    expect(
      decodeMessage(raw(
        '{ "Payload": {"lastcomputeseqnum": 9}, "METADATA": ' +
          '{"Type": "transport.HeartbeatResponse", "PayloadEncoding": "json"} }',
      )).payload,
    ).toEqual({ LastComputeSeqNum: 9n });
  });

  it('garbage never throws anything but a BacalhauError', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.constantFrom(1, 2), fc.json()).map(([schema, text]) => raw(text, schema)),
      fc.uint8Array({ maxLength: 60 }).map((body) => {
        const data = new Uint8Array([2, 0, 0, 0, 0, ...body]);
        new DataView(data.buffer).setUint32(1, crc32(body));
        return data;
      }),
    );
    fc.assert(
      fc.property(bytes, (data) => {
        try {
          decodeEnvelope(data);
          decodeMessage(data);
        } catch (error) {
          if (!(error instanceof BacalhauError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
