/**
 * Foreign text on terminals and in logs. Names, messages and labels come from jobs, nodes and strangers; a terminal obeys
 * what it is sent, so an escape sequence in one of them could hide lines, forge others or type for the user. As kubectl
 * does, all text is escaped but the output of programs that somebody asked for (`job logs`), which stays as it is.
 */

/** Control characters but line feed and tab; what turns the direction of writing; line ends that are none to most. */
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Whether a terminal would do something else with `text` than to show it. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) < 0;
}

/**
 * Line breaks and tabs stay, `\r\n` is a line break; the rest becomes `\u001b` and the like, so that a text in JSON, or in
 * double quotes in YAML, stays the same value.
 */
export function printable(text: string): string {
  if (isPrintable(text)) return text;
  return text.replaceAll('\r\n', '\n')
    .replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same on one line, for logs and table rows: `\n` and `\t` are written out. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}
