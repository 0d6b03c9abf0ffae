/**
 * The one seam around the YAML library, loaded when first used (it takes 20 to 50 ms).
 *
 * Reading is the dialect of job-spec.md 1.2: YAML 1.1 scalars without dates and sexagesimals, merge keys, keys that are
 * no strings become strings, of duplicate keys the last wins, only the first document counts. The library parses the
 * structure only; scalars are resolved here, since none of its schemas is that dialect.
 */
import { isPrintable } from './printable.ts';
import type { Alias, Document, LineCounter, Node, Pair, Scalar, YAMLMap } from 'yaml';

/** Parsing costs about a second per MiB, so nothing larger is tried. */
export const MAX_YAML_BYTES = 1024 * 1024;
/** Aliases multiply: a text within the limit can stand for any number of nodes. */
const MAX_NODES = 1_000_000;
const MAX_DEPTH = 200;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

export interface YamlComplaint extends Position {
  readonly message: string;
}

export interface YamlText {
  /** Plain data; integers beyond 2^53 within 64 bit are bigints. `null` where the text cannot be read. */
  readonly value: unknown;
  /** Syntax errors; the value is of no use if there is any. */
  readonly problems: readonly YamlComplaint[];
  /** Keys that occur twice in one mapping. */
  readonly duplicates: readonly YamlComplaint[];
  /** Where the value at these keys stands (or the nearest value around it); keys match ignoring case if need be. */
  locate(keys: readonly (string | number)[]): Position | undefined;
}

type Library = typeof import('yaml');

/** In a bundle with split chunks the library, which is CommonJS for Node, arrives under `default` only. */
async function library(): Promise<Library> {
  const loaded = (await import('yaml')) as Library & { default?: Library };
  return loaded.default ?? loaded;
}

export interface YamlOptions {
  /** Whether `yes`, `off`, `y` … are booleans, as in YAML 1.1; default true. `true` and `false` always are. */
  readonly booleanWords?: boolean;
}

/** Never throws for a bad text: see `problems`. */
export async function readYaml(text: string, options: YamlOptions = {}): Promise<YamlText> {
  if (text.length > MAX_YAML_BYTES || new TextEncoder().encode(text).length > MAX_YAML_BYTES) {
    const message = `the text is larger than ${MAX_YAML_BYTES} bytes`;
    return {
      value: null,
      problems: [{ message, line: 1, column: 1 }],
      duplicates: [],
      locate: () => undefined,
    };
  }
  const yaml = await library();
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    uniqueKeys: false,
    logLevel: 'silent',
    prettyErrors: false,
  });
  const problems = document.errors
    .filter((error) => error.code !== 'MULTIPLE_DOCS')
    .map((error) => ({ message: error.message, ...position(lines, error.pos[0]) }));
  const walk = new Walk(document, lines, options.booleanWords ?? true);
  const value = problems.length > 0 ? null : walk.value(document.contents, 0);
  return {
    value,
    problems: [...problems, ...walk.problems],
    duplicates: walk.duplicates,
    locate: (keys) => locate(document, lines, keys),
  };
}

/**
 * YAML of plain data, with quotes where readers of YAML 1.1 need them: double ones around a text that would be read as
 * something else, single ones around one that is no plain text. Keys stay in their order; the dashes of a list stand under
 * its key. All as the original writes it.
 */
export async function writeYaml(value: unknown): Promise<string> {
  const yaml = await library();
  const document = new yaml.Document(value, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  yaml.visit(document, {
    Scalar(_key, node) {
      if (typeof node.value !== 'string') return;
      if (
        typeof plainScalar(node.value) !== 'string' || TIMESTAMP.test(node.value) || !isPrintable(node.value)
      ) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
  });
  return document.toString({ lineWidth: 0, indentSeq: false, singleQuote: true });
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

// The library's own type guards would need it to be loaded; its nodes tell themselves apart by these members.
const isMap = (node: unknown): node is YAMLMap<Node, Node | null> => kindOf(node) === 'map';
const isScalar = (node: unknown): node is Scalar<string> => kindOf(node) === 'scalar';
const isAlias = (node: unknown): node is Alias => kindOf(node) === 'alias';
const itemsOf = (node: unknown) => (node as { items: (Node | null)[] }).items;

function kindOf(node: unknown): 'map' | 'list' | 'scalar' | 'alias' | 'none' {
  if (typeof node !== 'object' || node === null) return 'none';
  if ('items' in node) {
    return (node.constructor as { tagName?: string }).tagName?.endsWith(':map') ? 'map' : 'list';
  }
  if ('value' in node) return 'scalar';
  return 'source' in node ? 'alias' : 'none';
}

const isMergeKey = (key: unknown) => isScalar(key) && key.type === 'PLAIN' && key.value === '<<';

class Walk {
  readonly problems: YamlComplaint[] = [];
  readonly duplicates: YamlComplaint[] = [];
  readonly #targets = new Map<Alias, Node>();
  #nodes = 0;

  constructor(readonly document: Document, readonly lines: LineCounter, readonly booleanWords: boolean) {}

  value(node: unknown, depth: number): unknown {
    if (depth > MAX_DEPTH) return this.#complain(node, `nested more than ${MAX_DEPTH} deep`);
    if (++this.#nodes > MAX_NODES) return this.#complain(node, 'aliases stand for too many values');
    switch (kindOf(node)) {
      case 'alias': {
        const target = this.#target(node as Alias);
        if (target !== undefined) return this.value(target, depth + 1);
        return this.#complain(node, `no anchor "${(node as Alias).source}" before this alias`);
      }
      case 'scalar':
        return this.#scalar(node as Scalar<string>);
      case 'list':
        return itemsOf(node).map((item) => this.value(item, depth + 1));
      case 'map':
        return this.#map(node as YAMLMap<Node, Node | null>, depth);
      case 'none':
        return null;
    }
  }

  /** Remembered, since the library searches the whole document each time. */
  #target(alias: Alias): Node | undefined {
    let target = this.#targets.get(alias);
    if (target === undefined) {
      target = alias.resolve(this.document);
      if (target !== undefined) this.#targets.set(alias, target);
    }
    return target;
  }

  #scalar(node: Scalar<string>): unknown {
    const tag = node.tag?.replace('tag:yaml.org,2002:', '');
    if (tag === 'str' || (node.type !== 'PLAIN' && tag === undefined)) return node.value;
    const value = plainScalar(node.value);
    if (typeof value === 'boolean' && !this.booleanWords && !/^(true|false)$/i.test(node.value)) {
      return node.value;
    }
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    return this.#complain(node, `"${node.value}" cannot be written as JSON`);
  }

  #map(node: YAMLMap<Node, Node | null>, depth: number): Record<string, unknown> {
    const own = new Map<string, unknown>();
    const merged = new Map<string, unknown>();
    for (const pair of node.items) {
      if (isMergeKey(pair.key)) this.#merge(pair, merged, depth);
      else {
        const key = this.#key(pair.key);
        if (own.has(key)) {
          this.duplicates.push({
            message: `"${key}" is given twice, the last counts`,
            ...this.#at(pair.key),
          });
        }
        own.set(key, this.value(pair.value, depth + 1));
      }
    }
    for (const [key, value] of own) merged.set(key, value);
    return Object.fromEntries(merged);
  }

  /** Keys of earlier maps win over those of later ones; the map's own win over all. */
  #merge(pair: Pair<Node, Node | null>, into: Map<string, unknown>, depth: number): void {
    const source = this.value(pair.value, depth + 1);
    for (const each of Array.isArray(source) ? source : [source]) {
      if (typeof each !== 'object' || each === null || Array.isArray(each)) {
        this.#complain(pair.key, 'a merge key (<<) wants a mapping or a list of mappings');
        continue;
      }
      for (const [key, value] of Object.entries(each)) if (!into.has(key)) into.set(key, value);
    }
  }

  #key(node: unknown): string {
    const value = isScalar(node) || isAlias(node) ? this.value(node, 0) : undefined;
    if (value === null || value === undefined || typeof value === 'object') {
      this.#complain(node, 'a key must be a text, a number or a boolean');
      return '';
    }
    return String(value);
  }

  #complain(node: unknown, message: string): null {
    // One is enough where every further node would say the same.
    if (this.problems.length < 100) this.problems.push({ message, ...this.#at(node) });
    return null;
  }

  #at(node: unknown): Position {
    const range = (node as { range?: [number, number, number] | null } | null)?.range;
    return position(this.lines, range?.[0] ?? 0);
  }
}

function locate(
  document: Document,
  lines: LineCounter,
  keys: readonly (string | number)[],
): Position | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined = (node as Node | null)?.range?.[0];
  for (const key of keys) {
    if (isAlias(node)) node = node.resolve(document);
    let next: unknown;
    if (isMap(node)) {
      const pair = findPair(node, String(key));
      next = pair?.value;
      // A key says better where to look than its value, which may begin lines below.
      offset = pair === undefined ? offset : pair.key.range?.[0] ?? offset;
      if (pair === undefined) break;
    } else if (kindOf(node) === 'list' && typeof key === 'number') {
      next = itemsOf(node)[key];
      offset = (next as Node | null)?.range?.[0] ?? offset;
    }
    if (next === undefined || next === null) break;
    node = next;
  }
  return offset === undefined ? undefined : position(lines, offset);
}

function findPair(map: YAMLMap<Node, Node | null>, key: string): Pair<Node, Node | null> | undefined {
  const matches = (same: (text: string) => boolean) =>
    map.items.findLast((pair) => isScalar(pair.key) && same(String(pair.key.value)));
  return matches((text) => text === key) ?? matches((text) => text.toLowerCase() === key.toLowerCase());
}

const WORDS = new Map<string, boolean | null | number>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...words(true, 'y', 'yes', 'on', 'true'),
  ...words(false, 'n', 'no', 'off', 'false'),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word) => [word, Infinity] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, -Infinity] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, NaN] as const),
]);

function words(value: boolean, ...list: string[]): [string, boolean][] {
  return list.flatMap((word) => {
    const capital = word[0]!.toUpperCase() + word.slice(1);
    return [word, capital, word.toUpperCase()].map((each): [string, boolean] => [each, value]);
  });
}

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?$/i;
const RADIX = /^([-+]?)0(x[0-9a-f]+|b[01]+|o?[0-7]+)$/i;

/** What readers of YAML 1.1 take for a time. */
const TIMESTAMP = /^\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d{2}:\d{2})?)?$/;

/** What an unquoted scalar means: null, boolean, number (bigint where a double is too small) or the text itself. */
export function plainScalar(text: string): unknown {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  const digits = text.replaceAll('_', '');
  const radix = RADIX.exec(digits);
  if (radix) {
    const body = radix[2]!;
    const magnitude = BigInt(/^[0-7]/.test(body) ? `0o${body}` : `0${body.toLowerCase()}`);
    return integer(radix[1] === '-' ? -magnitude : magnitude);
  }
  if (/^[-+]?[0-9]+$/.test(digits) && !/^[-+]?0[0-9]/.test(digits)) {
    return integer(BigInt(digits.replace('+', '')));
  }
  return FLOAT.test(digits) ? Number(digits) : text;
}

function integer(value: bigint): number | bigint {
  const plain = Number(value);
  if (Number.isSafeInteger(plain)) return plain;
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : plain;
}
