/** Text for JSON out of the bytes of a program, cut between characters. */

/**
 * The longest beginning of `bytes` that takes at most `cap` bytes as JSON text; what is not UTF-8 becomes U+FFFD.
 * @param more whether bytes beyond these exist, so that a character cut at the end is not shown broken
 */
export function cutText(bytes: Uint8Array, cap: number, more: boolean): { text: string; cut: boolean } {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: more });
  if (!more && Buffer.byteLength(JSON.stringify(whole)) - 2 <= cap) return { text: whole, cut: false };
  let used = 0;
  let length = 0;
  for (const character of whole) {
    used += encodedLength(character);
    if (used > cap) return { text: whole.slice(0, length), cut: true };
    length += character.length;
  }
  return { text: whole, cut: more };
}

/** Bytes of one character inside a JSON string as `JSON.stringify` writes it. */
function encodedLength(character: string): number {
  const code = character.codePointAt(0)!;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x20) return '\b\t\n\f\r'.includes(character) ? 2 : 6;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
