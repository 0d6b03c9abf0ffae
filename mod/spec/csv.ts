/** One CSV record, as strict as Go's reader: quotes only around a whole field, doubled inside. */

/** @throws RangeError when quotes are misplaced */
export function parseCsvRecord(text: string): string[] {
  const fields: string[] = [];
  const part = /"((?:[^"]|"")*)"(,|$)|([^",]*)(,|$)/y;
  for (;;) {
    const start = part.lastIndex;
    const match = part.exec(text);
    if (!match) throw new RangeError(`misplaced quote after "${text.slice(0, start)}"`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[3] ?? '');
    if ((match[2] ?? match[4]) === '') return fields;
    // A comma at the very end is followed by an empty field.
    if (part.lastIndex === text.length) return [...fields, ''];
  }
}

/** The values of one flag that takes a list: `a,b`; an empty text is an empty list. @throws RangeError */
export function splitList(text: string): string[] {
  return text === '' ? [] : parseCsvRecord(text);
}
