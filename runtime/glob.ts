/**
 * Patterns over slash-separated paths: `*` and `?` inside one part, `[abc]`, `[a-z]`, `[!x]`, `{a,b}`, and `**` for any
 * number of parts (`/data/**` also matches `/data` itself). A pattern must match the whole path. `\` takes the next
 * character as it is.
 */

const META = /[*?[{\\]/;

/** The leading parts of a pattern that hold no wildcard: the folder from which all its matches hang. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => META.test(part));
  return first < 0 ? pattern : parts.slice(0, first).join('/');
}

/** @throws SyntaxError when a bracket or brace is not closed */
export function globToRegExp(pattern: string): RegExp {
  let out = '';
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (pattern.startsWith('/**', at) && (at + 3 === pattern.length || pattern[at + 3] === '/')) {
      out += '(?:/[^/]+)*';
      at += 2;
    } else if (pattern.startsWith('**', at)) {
      out += '.*';
      at += 1;
    } else if (char === '*') {
      out += '[^/]*';
    } else if (char === '?') {
      out += '[^/]';
    } else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw new SyntaxError(`"[" is not closed in the pattern "${pattern}"`);
      const negated = pattern[at + 1] === '!' || pattern[at + 1] === '^';
      const set = pattern.slice(at + (negated ? 2 : 1), end).replaceAll(/[\\\]^[]/g, '\\$&');
      out += negated ? `[^/${set}]` : `(?!/)[${set}]`;
      at = end;
    } else if (char === '{') {
      out += '(?:';
      depth++;
    } else if (char === '}' && depth > 0) {
      out += ')';
      depth--;
    } else if (char === ',' && depth > 0) {
      out += '|';
    } else {
      out += escape(char === '\\' ? pattern[++at] ?? '\\' : char);
    }
  }
  if (depth > 0) throw new SyntaxError(`"{" is not closed in the pattern "${pattern}"`);
  return new RegExp(`^${out}$`, 's');
}

function escape(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\]/, '\\$&');
}
