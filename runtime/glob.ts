/**
 * Patterns over texts that others wrote. Matching takes time in proportion to text times pattern at most, whatever both
 * are: the regular expressions that such patterns translate to take a power of it, with one factor for each wildcard.
 */

/** Whether `pattern` covers the whole text: `*` stands for any characters, `?` for one, all else for itself. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  /** Where the text of the last `*` ends for now; no earlier `*` ever needs to take more. */
  let taken = 0;
  for (let read = 0; read < text.length;) {
    if (pattern[at] === '*') {
      star = at++;
      taken = read;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[read])) {
      at++;
      read++;
    } else if (star >= 0) {
      at = star + 1;
      read = ++taken;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

const META = /[*?[{\\]/;

/** The leading parts of a path pattern that hold no wildcard: the folder from which all its matches hang. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => META.test(part));
  return first < 0 ? pattern : parts.slice(0, first).join('/');
}

type Test = (char: string) => boolean;
const inPart: Test = (char) => char !== '/';

/** States and their edges; all states that a text can be in are followed side by side. State 0 is the beginning. */
class Automaton {
  /** Without a test an edge is taken for nothing. */
  #edges: { readonly to: number; readonly test?: Test }[][] = [[]];

  state(): number {
    return this.#edges.push([]) - 1;
  }

  edge(from: number, to: number, test?: Test): void {
    this.#edges[from]!.push(test ? { to, test } : { to });
  }

  accepts(text: string, end: number): boolean {
    let here = this.#reached([0]);
    for (let at = 0; at < text.length; at++) {
      const next: number[] = [];
      for (const state of here) {
        for (const { to, test } of this.#edges[state]!) if (test?.(text[at]!)) next.push(to);
      }
      if (next.length === 0) return false;
      here = this.#reached(next);
    }
    return here.has(end);
  }

  #reached(states: readonly number[]): Set<number> {
    const all = new Set(states);
    // What is added meanwhile is visited, too.
    for (const state of all) for (const { to, test } of this.#edges[state]!) if (!test) all.add(to);
    return all;
  }
}

/**
 * A pattern over slash-separated paths: `*` and `?` inside one part, `[abc]`, `[a-z]`, `[!x]`, `{a,b}`, and `**` for any
 * number of parts (`/data/**` also matches `/data` itself). It must match the whole path. `\` takes the next character as
 * it is.
 * @throws SyntaxError when a bracket or brace is not closed
 */
export function pathPattern(pattern: string): (path: string) => boolean {
  const automaton = new Automaton();
  const braces: { readonly start: number; readonly end: number }[] = [];
  let here = 0;
  const step = (test: Test) => {
    const next = automaton.state();
    automaton.edge(here, next, test);
    here = next;
  };
  /** Of its own, so that what comes back to it does not meet what else begins where the pattern stood. */
  const fresh = () => {
    const next = automaton.state();
    automaton.edge(here, next);
    return here = next;
  };
  const loop = (test: Test) => automaton.edge(fresh(), here, test);
  const parts = () => {
    const before = fresh();
    step((char) => char === '/');
    step(inPart);
    automaton.edge(here, here, inPart);
    automaton.edge(here, before);
    here = before;
    fresh();
  };
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    const brace = braces.at(-1);
    if (pattern.startsWith('/**', at) && (at + 3 === pattern.length || pattern[at + 3] === '/')) {
      parts();
      at += 2;
    } else if (pattern.startsWith('**', at)) {
      loop(() => true);
      at += 1;
    } else if (char === '*') loop(inPart);
    else if (char === '?') step(inPart);
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw new SyntaxError(`"[" is not closed in the pattern "${pattern}"`);
      step(setTest(pattern.slice(at + 1, end)));
      at = end;
    } else if (char === '{') {
      braces.push({ start: fresh(), end: automaton.state() });
    } else if (char === '}' && brace) {
      automaton.edge(here, brace.end);
      here = brace.end;
      braces.pop();
    } else if (char === ',' && brace) {
      automaton.edge(here, brace.end);
      here = automaton.state();
      automaton.edge(brace.start, here);
    } else {
      const plain = char === '\\' ? pattern[++at] ?? '\\' : char;
      step((found) => found === plain);
    }
  }
  if (braces.length > 0) throw new SyntaxError(`"{" is not closed in the pattern "${pattern}"`);
  return (path) => automaton.accepts(path, here);
}

/** One character of a set such as `a-z`, `!x`; never a slash. */
function setTest(text: string): Test {
  const negated = text[0] === '!' || text[0] === '^';
  const set = text.slice(negated ? 1 : 0).replaceAll(/[\\\]^[]/g, '\\$&');
  const one = new RegExp(`^[${set}]$`, 's');
  return (char) => char !== '/' && one.test(char) !== negated;
}
