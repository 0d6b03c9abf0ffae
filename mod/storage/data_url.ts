/** Data URLs (RFC 2397): `data:[<media type>][;base64],<data>`. */
import { Buffer } from 'node:buffer';

export interface DataUrl {
  /** Type and subtype in lower case, without parameters. */
  readonly mediaType: string;
  readonly data: Buffer;
}

/** @throws SyntaxError with the reason */
export function parseDataUrl(url: string): DataUrl {
  if (!/^data:/i.test(url)) throw new SyntaxError('it does not begin with "data:"');
  const comma = url.indexOf(',');
  if (comma < 0) throw new SyntaxError('it has no "," between media type and data');
  const [type = '', ...parameters] = url.slice(5, comma).split(';').map((part) => part.trim().toLowerCase());
  const mediaType = type === '' ? 'text/plain' : type;
  const text = url.slice(comma + 1);
  if (parameters.at(-1) !== 'base64') return { mediaType, data: percentDecode(text) };
  const base64 = text.includes('%') ? percentDecode(text).toString('latin1') : text;
  // Buffer.from skips what is not base64, which would turn a typing error into other data.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 === 1) {
    throw new SyntaxError('its data is not valid base64');
  }
  return { mediaType, data: Buffer.from(base64, 'base64') };
}

function percentDecode(text: string): Buffer {
  if (!text.includes('%')) return Buffer.from(text, 'utf8');
  const bytes = Buffer.from(text, 'utf8');
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0x25) {
      out[length++] = bytes[at]!;
      continue;
    }
    const hex = bytes.toString('latin1', at + 1, at + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) throw new SyntaxError(`"%${hex}" in its data is not a valid escape`);
    out[length++] = Number.parseInt(hex, 16);
    at += 2;
  }
  return out.subarray(0, length);
}
