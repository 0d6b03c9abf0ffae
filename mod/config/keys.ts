/** The schema as a list, found by name in any letter case. Made when first asked for. */
import { isKey } from './key.ts';
import type { Key, Section } from './key.ts';
import { SCHEMA } from './schema/mod.ts';

/** A key with its path. */
export interface KeyEntry {
  /** `Compute.Heartbeat.Interval` */
  readonly path: string;
  readonly names: readonly string[];
  readonly key: Key<unknown>;
  /** Environment variables, the one that wins first. */
  readonly env: readonly string[];
}

let entries: readonly KeyEntry[] | undefined;
let byName: ReadonlyMap<string, KeyEntry> | undefined;

/** In the order of the schema. */
export function allKeys(): readonly KeyEntry[] {
  if (entries !== undefined) return entries;
  const found: KeyEntry[] = [];
  const walk = (section: Section, names: readonly string[]) => {
    for (const [name, node] of Object.entries(section)) {
      const own = [...names, name];
      if (!isKey(node)) walk(node, own);
      else {
        const env = [`BACALHAU_${own.join('_').toUpperCase()}`, ...(node.env ?? [])];
        found.push({ path: own.join('.'), names: own, key: node, env });
      }
    }
  };
  walk(SCHEMA, []);
  entries = found;
  return found;
}

/** The key of a path, ignoring case. */
export function findKey(path: string): KeyEntry | undefined {
  byName ??= new Map(allKeys().map((entry) => [entry.path.toLowerCase(), entry]));
  return byName.get(path.toLowerCase());
}

/** The known key that looks most like `path`, if any looks like it. */
export function nearestKey(path: string): string | undefined {
  const wanted = path.toLowerCase();
  const last = wanted.slice(wanted.lastIndexOf('.') + 1);
  let best: string | undefined;
  let least = Math.max(2, Math.floor(wanted.length / 4)) + 1;
  for (const entry of allKeys()) {
    const known = entry.path.toLowerCase();
    // A key whose own name is right but whose section is not is worth a hint, too.
    const sameName = known.endsWith(`.${last}`) ? 2.5 : Infinity;
    const steps = Math.min(distance(wanted, known), sameName);
    if (steps < least) [best, least] = [entry.path, steps];
  }
  return best;
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
