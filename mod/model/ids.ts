/** Ids are a letter for the kind, a dash and a v4 UUID; people see the first eight digits. */

/** First letter of an id: job, execution, node, evaluation. */
export type IdKind = 'j' | 'e' | 'n' | 'v';

/** The id of a new object. */
export function makeId(kind: IdKind, uuid: string): string {
  return `${kind}-${uuid}`;
}

const MAX_ID = 255;
const ID = /^[\w=-][\w.=-]*$/;

/**
 * Whether `text` may be the id of a job, execution, evaluation or node: what the original makes and what its API takes,
 * and a host name. Ids become parts of paths, subjects and names of containers, so they have no other characters.
 */
export function isId(text: string): boolean {
  return text.length <= MAX_ID && ID.test(text) && !text.includes('..');
}

const FULL = /^(?:\w-)?\w{8}-\w{4}-\w{4}-\w{4}-\w{12}$/;

/** Whether `text` is a whole id, with or without its letter (rest-api.md 7.3); anything else is a prefix. */
export function isFullId(text: string): boolean {
  return FULL.test(text);
}

/** `j-5f0c1d2e` of `j-5f0c1d2e-8a77-…`; other texts come back whole. */
export function shortId(id: string): string {
  return FULL.test(id) ? id.slice(0, id[1] === '-' ? 10 : 8) : id;
}
