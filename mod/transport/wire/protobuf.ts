/**
 * Schema 2 of the envelope, read only (wire-protocol.md 4.3): the original accepts it and never sends it.
 *
 *     Message  { Metadata metadata = 1; Payload payload = 2; }
 *     Metadata { map<string,string> fields = 1; bytes checksum = 2; }
 *     Payload  { bytes data = 1; bytes checksum = 2; }
 */

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Calls `field` for each length-delimited field; others are skipped. @throws RangeError when the bytes are torn */
function eachField(data: Uint8Array, field: (number: number, bytes: Uint8Array) => void): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < data.length && scale < 2 ** 63; scale *= 128) {
      const byte = data[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError('protobuf: torn varint');
  };
  const take = (length: number): Uint8Array => {
    if (length > data.length - at) throw new RangeError('protobuf: unexpected end of message');
    return data.subarray(at, at += length);
  };
  while (at < data.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0) throw new RangeError('protobuf: field number 0');
    switch (tag % 8) {
      case 0:
        varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field(number, take(varint()));
        break;
      case 5:
        take(4);
        break;
      default:
        throw new RangeError(`protobuf: unknown wire type ${tag % 8}`);
    }
  }
}

/** @throws RangeError or TypeError when the bytes are no such message */
export function readProtobuf(
  data: Uint8Array,
): { metadata: Record<string, string> | undefined; payload: string | undefined } {
  let metadata: Record<string, string> | undefined;
  let payload: string | undefined;
  eachField(data, (number, bytes) => {
    if (number === 1) {
      const fields: Record<string, string> = metadata ??= {};
      eachField(bytes, (inner, entry) => {
        if (inner !== 1) return;
        const pair = ['', ''];
        eachField(entry, (part, text) => {
          if (part === 1 || part === 2) pair[part - 1] = utf8.decode(text);
        });
        fields[pair[0]!] = pair[1]!;
      });
    } else if (number === 2) {
      payload ??= '';
      eachField(bytes, (inner, text) => {
        if (inner === 1) payload = utf8.decode(text);
      });
    }
  });
  return { metadata, payload };
}
