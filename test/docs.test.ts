/**
 * What the code cites can be read in this repository: pages, their sections, and the numbered rules of invariants.md and
 * compatibility.md. A path that a page names exists.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname!, '..');
const CODE = ['main.ts', 'cmd', 'mod', 'runtime', 'build', 'test'];

function files(folder: string, end: RegExp): string[] {
  if (folder.endsWith('.ts')) return [folder];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => end.test(name) && !/(?:^|\/)(?:fixtures|\.cache)\//.test(name))
    .map((name) => join(folder, name));
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const docs = files('docs', /\.md$/);
const pages = new Map(docs.map((path) => [basename(path), read(path)]));
const readmes = [
  'README.md',
  ...['mod', 'runtime', 'test', 'examples'].flatMap((folder) => files(folder, /\.md$/)),
];
/** Pages beside the code that it may cite as well. */
const others = new Set(readmes.map((path) => basename(path)));

/** `1.7` of `### 1.7 Constraints`. */
function sections(page: string): Set<string> {
  return new Set([...page.matchAll(/^#+ (\d+(?:\.\d+)*)\.? /gm)].map((match) => match[1]!));
}

/** Numbered rules: the first cell of a table's row. */
function rules(page: string): Set<string> {
  return new Set([...page.matchAll(/^\| ([A-Z]?\d+) \|/gm)].map((match) => match[1]!));
}

const known = new Set(['invariants.md', 'compatibility.md'].flatMap((name) => [...rules(pages.get(name)!)]));

interface Comment {
  readonly path: string;
  readonly text: string;
}

/** Comments of the code, one line each: a citation may be wrapped. */
const comments: Comment[] = CODE.flatMap((folder) => files(folder, /\.ts$/)).flatMap((path) =>
  [...read(path).matchAll(/\/\*\*[\s\S]*?\*\/|(?:^|\s)\/\/[^\n]*(?:\n\s*\/\/[^\n]*)*/g)].map(([text]) => ({
    path,
    text: text.replace(/\n\s*(?:\*|\/\/)/g, ' ').replace(/\s+/g, ' '),
  }))
);

/** A page, then what of it: `invariants.md section 0, rows 13 and 14`, `cli.md 9.1 and 9.2`, `compatibility.md A3`. */
const CITATION =
  /\b([a-z][a-z_-]*\.md)(?:,? (?:sections? )?((?:(?:rows? )?[A-Z]?\d+(?:\.\d+)*(?:,? and |, | (?=rows? ))?)+))?/g;

function unresolved({ path, text }: Comment): string[] {
  const missing: string[] = [];
  for (const [, name, rest = ''] of text.matchAll(CITATION)) {
    const page = pages.get(name!);
    if (!page) {
      if (!others.has(name!)) missing.push(`${path}: ${name}`);
      continue;
    }
    const [there, numbered] = [sections(page), rules(page)];
    let row = false;
    for (const [, rows, id] of rest.matchAll(/(rows? )?([A-Z]?\d+(?:\.\d+)*)/g)) {
      row ||= rows !== undefined;
      if (!(row || /^[A-Z]/.test(id!) ? numbered : there).has(id!)) missing.push(`${path}: ${name} ${id}`);
    }
  }
  // Rules by their id alone; a C0 or C1 is a control character.
  for (const [id] of text.matchAll(/\b(?:[SLO]|C(?=[2-9]|1\d)|A)\d{1,2}\b(?!-)/g)) {
    if (!known.has(id)) missing.push(`${path}: ${id}`);
  }
  return missing;
}

describe('documentation', () => {
  it('has every page, section and rule that a comment cites', () => {
    expect(comments.flatMap(unresolved)).toEqual([]);
  });

  it('would notice a citation of what is not there', () => {
    const wrong =
      'see invariants.md S99, cli.md 9.99, invariants.md section 0 rows 13 and 99, nowhere.md and (O88)';
    expect(unresolved({ path: 'x', text: wrong })).toEqual([
      'x: invariants.md S99',
      'x: cli.md 9.99',
      'x: invariants.md 99',
      'x: nowhere.md',
      'x: S99',
      'x: O88',
    ]);
  });

  it('links only to what exists', () => {
    const broken = [...docs, ...readmes].flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(path), target)))
        .map((target) => `${path} → ${target}`)
    );
    expect(broken).toEqual([]);
  });

  it('names only files that exist in its check-lists', () => {
    const gone = docs.filter((path) => path.includes('changes')).flatMap((path) =>
      [...read(path).matchAll(/`((?:cmd|mod|runtime|test|build|docs|examples)\/[^`*{<…]*)`/g)].map((match) =>
        match[1]!
      )
        .filter((target) => !existsSync(join(ROOT, target)))
        .map((target) => `${path}: ${target}`)
    );
    expect(gone).toEqual([]);
  });
});
