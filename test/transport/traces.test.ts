/** Every envelope recorded from the original decodes, and our encoding of it is the same text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../mod/transport/wire/codec.ts';
import type { MessageType, Payloads } from '../../mod/transport/wire/codec.ts';
import { stringifyLikeGo } from '../../mod/transport/wire/envelope.ts';

interface Line {
  readonly headers?: Record<string, string>;
  readonly envelope?: { readonly version: number; readonly crc32: string; readonly text: string };
}

const FOLDER = join(import.meta.dirname!, '../fixtures/traces');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl'));

describe.each(files)('%s', (file) => {
  const lines = readFileSync(join(FOLDER, file), 'utf8').trim().split('\n').map((line) =>
    JSON.parse(line) as Line
  );
  const envelopes = lines.filter((line) => line.envelope !== undefined);

  it('has envelopes, all of which we write as the original did', () => {
    expect(envelopes.length).toBeGreaterThan(0);
    for (const { envelope, headers } of envelopes) {
      const body = new TextEncoder().encode(envelope!.text);
      const data = new Uint8Array(5 + body.length);
      data[0] = envelope!.version;
      new DataView(data.buffer).setUint32(1, crc32(body));
      data.set(body, 5);
      expect(data.slice(1, 5).toHex()).toBe(envelope!.crc32);

      const decoded = decodeMessage(data);
      const again = encodeMessage(
        decoded.type as MessageType,
        decoded.payload as Payloads[MessageType],
        '',
        0n,
        {
          ...decoded.metadata,
        },
      );
      expect(new TextDecoder().decode(again.data.subarray(5))).toBe(envelope!.text);
      expect(again.data.toHex()).toBe(data.toHex());
      // JSON.stringify over the parsed text would round the times: proof that the text has such integers.
      if (decoded.type === 'AskForBid') {
        expect(stringifyLikeGo(JSON.parse(envelope!.text))).not.toBe(envelope!.text);
      }
      if (headers !== undefined) {
        const own = again.headers as Record<string, string>;
        expect(Object.fromEntries(Object.entries(own))).toEqual(headers);
      }
    }
  });
});
