/** Rules of subjects: words separated by dots, `*` for one word, a final `>` for one or more. */

const DOT = '.';

/** Whether `subject` may be subscribed to: no empty word, `>` only as the last one. */
export function isValidSubject(subject: string): boolean {
  const words = subject.split(DOT);
  return words.every((word, i) => word !== '' && (word !== '>' || i === words.length - 1));
}

/** Whether `subject` may be published to by a pedantic client: valid and without wildcard words. */
export function isLiteralSubject(subject: string): boolean {
  return isValidSubject(subject) && !hasWildcard(subject);
}

/** Whether one of the words is `*` or `>` (`a*` and `b>` are ordinary words). */
export function hasWildcard(subject: string): boolean {
  if (!subject.includes('*') && !subject.includes('>')) return false;
  return subject.split(DOT).some((word) => word === '*' || word === '>');
}

/** Whether `text` can stand in a protocol line as one word. Network clients may use further bytes, our own code need not. */
export function isPlainWord(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
