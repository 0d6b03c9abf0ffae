/** Where a value came from, for `config list` and for messages. */

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line?: number }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }
  /** `-c key=value` */
  | { readonly kind: 'setting'; readonly text: string };

export const DEFAULT_ORIGIN: Origin = Object.freeze({ kind: 'default' });

/** For people: the file with its line, the variable, the flag. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'file':
      return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}`;
    case 'environment':
      return origin.variable;
    case 'flag':
      return origin.flag;
    case 'setting':
      return '-c';
  }
}
