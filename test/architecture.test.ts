/** The dependency rule and the seam of simulation (architecture.md section 2) as failing checks over the sources' text. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allKeys } from '../mod/config/mod.ts';

const ROOT = resolve(import.meta.dirname!, '..');

/** Room → rooms it may import. Everything may import runtime; a room may import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['cmd'],
  cmd: ['api/client', 'spec', 'config', 'model'],
  'cmd/serve': ['node', 'api/client', 'spec', 'config', 'model'],
  'cmd/devstack': ['node', 'api/client', 'spec', 'config', 'model'],
  node: [
    'orchestrator',
    'compute',
    'api/server',
    'engine',
    'storage',
    'publisher',
    'store',
    'transport',
    'config',
    'model',
  ],
  'api/server': ['spec', 'auth', 'model'],
  'api/client': ['model'],
  orchestrator: ['spec', 'schedule', 'store', 'transport', 'model'],
  compute: ['engine', 'storage', 'publisher', 'store', 'transport', 'model'],
  schedule: ['model'],
  spec: ['model'],
  config: ['model'],
  store: ['model'],
  transport: ['model'],
  engine: ['model'],
  storage: ['model'],
  publisher: ['model'],
  auth: ['model'],
  webui: [],
  model: [],
  runtime: [],
};

/** Libraries of runtime/ → those that they may import; each may import the single files beside them. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  docker: [],
  egress: ['files'],
  files: [],
  log: ['files'],
  nats: [],
  wasi: ['files', 'log'],
};
/** What is imported past a face, and why: the main programs of our child processes, and what the client loads at once. */
const PAST_FACES: readonly { readonly from: RegExp; readonly to: RegExp }[] = [
  // Loaded alone, since each module more costs every child.
  { from: /^main\.ts$/, to: /^runtime\/(?:egress\/forwarder|wasi\/child)\.ts$/ },
  // Loaded before it is known which command runs; all of the model takes 10 ms.
  { from: /^cmd\//, to: /^mod\/(?:model\/(?:errors|ids|json|time)|api\/client\/endpoint)\.ts$/ },
];
/** Circles that are left, each by one of its files; none may come. */
const CIRCLES_LEFT: readonly string[] = [
  'mod/compute/held.ts',
  'mod/orchestrator/work/unit_of_work.ts',
];

/** Rooms that run on a simulated World. */
const SIMULATED = ['schedule', 'orchestrator', 'compute', 'transport', 'store'];
/** The adapters of those rooms to the real world; each is handed in from outside. */
const ADAPTERS = ['mod/transport/bus/nats_bus.ts', 'mod/store/sqlite.ts', 'mod/store/sqlite_connection.ts'];

const FORBIDDEN = new RegExp(
  [
    String.raw`\bDate\b(?!\s*:)`,
    String.raw`\bset(?:Timeout|Interval|Immediate)\(`,
    String.raw`AbortSignal\.timeout`,
    String.raw`\bperformance\.`,
    String.raw`Math\.random`,
    String.raw`crypto\.random`,
    String.raw`from 'node:(?!(?:buffer|zlib)')`,
  ].join('|'),
);

/** What changes names and files of this machine, among what `node:fs` offers; `open` for writing belongs to it. */
const CHANGES =
  /^(?:mkdir|mkdtemp|rm|rmdir|unlink|rename|writeFile|appendFile|copyFile|cp|truncate|symlink|link|l?chmod|l?chown)(?:Sync)?$/;
/** Who may call those beside runtime/files, and what for. */
const WRITERS: Readonly<Record<string, string>> = {
  'cmd/devstack.ts': 'its own temporary folder',
  'cmd/job/get.ts': 'the output folder of a client',
  'cmd/job/fetch_results.ts': 'results, into a fresh folder below the one that the user names',
  'mod/store/sqlite.ts': 'rights of the files that SQLite makes',
  'runtime/cpu_share.ts': 'control groups of the kernel',
  'runtime/folder_lock.ts': 'rights of the file that SQLite makes',
  'runtime/process.ts': '/proc',
  'runtime/wasi/path.ts': 'the tree of a module, which it walks by handles itself',
};

interface Source {
  readonly path: string;
  readonly text: string;
}

function sources(...folders: string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') || name.endsWith('.tsx'))
      .map((name) => join(folder, name))
      .map((path) => ({ path: path.split(sep).join('/'), text: readFileSync(join(ROOT, path), 'utf8') }))
  );
}

/** `api/server` of `mod/api/server/app.ts`, `cmd/serve` of `cmd/serve.ts`, `runtime` of all below it. */
function roomOf(path: string): string {
  const parts = path.split(sep);
  if (parts[0] === 'runtime') return 'runtime';
  if (parts[0] === 'main.ts') return 'main';
  if (parts[0] === 'cmd') {
    const special = /^(?:serve|devstack)(?:\.ts$|$)/.exec(parts[1] ?? '');
    return special ? `cmd/${special[0].replace('.ts', '')}` : 'cmd';
  }
  if (parts[1] === 'api') return `api/${parts[2]}`;
  return parts[1]!;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(source: Source): string[] {
  const found = [...withoutComments(source.text).matchAll(/(?:from\s+|import\(\s*|import\s+)'(\.[^']+)'/g)];
  return found.map((match) => relative(ROOT, resolve(ROOT, dirname(source.path), match[1]!)));
}

/** The calls in a source that change files by their paths. */
function changesFiles({ text }: Source): boolean {
  const code = withoutComments(text);
  const imported = [...code.matchAll(/import\s+(type\s+)?([^'";]+?)\s+from\s+'node:fs(?:\/promises)?'/g)]
    .filter(([, type]) => !type).map(([, , names]) => names!);
  if (imported.some((names) => !names.startsWith('{'))) return true;
  const names = imported.flatMap((list) => list.replace(/[{}]/g, '').split(',')).map((name) =>
    name.trim().split(' ')[0]!
  );
  if (names.some((name) => CHANGES.test(name))) return true;
  const reads = /O_RDONLY|O_PATH|,\s*'r'/;
  const isOpen = (name: string) => name === 'open' || name === 'openSync';
  if (
    names.some(isOpen) &&
    [...code.matchAll(/(?<![.\w])open(?:Sync)?\(([\s\S]*?)\)/g)].some(([call]) => !reads.test(call))
  ) {
    return true;
  }
  return names.includes('createWriteStream') &&
    [...code.matchAll(/createWriteStream\(([^;]*?)\)/g)].some(([call]) => !call.includes('fd:'));
}

const DECLARED = String
  .raw`export (?:abstract |async |declare )*(?:function\*?|class|const|let|interface|type|enum) `;

/** What a face hands on, each with the file in which it says so or is declared. */
function exportsOf(face: string, texts: ReadonlyMap<string, string>): { name: string; file: string }[] {
  const text = texts.get(face)!;
  const fileOf = (specifier: string) => join(dirname(face), specifier);
  const declared = [...text.matchAll(new RegExp(`^${DECLARED}(\\w+)`, 'gm'))].map(([, name]) => ({
    name: name!,
    file: face,
  }));
  const listed = [...withoutComments(text).matchAll(/^export (?:type )?\{([^}]*)\} from '(\.[^']+)'/gm)]
    .flatMap(([, names, from]) =>
      names!.split(',').map((name) => name.trim().replace(/^type /, '').split(' ')[0]!).filter(Boolean)
        .map((name) => ({ name, file: fileOf(from!) }))
    );
  const whole = [...text.matchAll(/^export (?:type )?\* (?:as \w+ )?from '(\.[^']+)'/gm)]
    .flatMap(([, from]) => exportsOf(fileOf(from!), texts));
  return [...declared, ...listed, ...whole];
}

function isDocumented(name: string, file: string, texts: ReadonlyMap<string, string>): boolean {
  const declaration = new RegExp(String.raw`(.*)\n(?:// deno-lint-ignore.*\n)?${DECLARED}${name}\b`).exec(
    texts.get(file)!,
  );
  if (declaration) return declaration[1]!.endsWith('*/');
  const next = exportsOf(file, texts).find((other) => other.name === name && other.file !== file);
  return next !== undefined && isDocumented(name, next.file, texts);
}

function mayImport(from: string, to: string): boolean {
  if (to === 'runtime' || from === to) return true;
  if (from.startsWith('cmd') && to.startsWith('cmd')) return true;
  const allowed = MAY_IMPORT[from] ?? [];
  return allowed.includes(to) || allowed.some((room) => room.startsWith(`${to}/`));
}

const all = [
  ...sources('mod', 'cmd', 'runtime'),
  { path: 'main.ts', text: readFileSync(join(ROOT, 'main.ts'), 'utf8') },
];
const faces = all.filter(({ path }) => path.endsWith('/mod.ts'));

describe('architecture', () => {
  it('every room imports only what architecture.md section 2 allows', () => {
    const violations = all.flatMap((source) =>
      importsOf(source)
        .filter((target) => !mayImport(roomOf(source.path), roomOf(target)))
        .map((target) => `${source.path} → ${target}`)
    );
    expect(violations).toEqual([]);
  });

  it('libraries of runtime/ import one another in one direction', () => {
    const library = (path: string) => /^runtime\/(\w+)\//.exec(path)?.[1] ?? null;
    const wrong = all.flatMap((source) =>
      importsOf(source).filter((target) => {
        const [from, to] = [library(source.path), library(target)];
        return from !== null && to !== null && from !== to && !LIBRARIES[from]!.includes(to);
      }).map((target) => `${source.path} → ${target}`)
    );
    expect(wrong).toEqual([]);
    const found = new Set(all.map(({ path }) => library(path)).filter((name) => name !== null));
    expect([...found].sort()).toEqual(Object.keys(LIBRARIES).sort());
  });

  it('rooms and libraries are imported by their faces, mod.ts', () => {
    const folders = faces.map(({ path }) => `${dirname(path)}/`);
    const past = all.flatMap(({ path, ...source }) =>
      importsOf({ path, ...source })
        .filter((target) => folders.some((folder) => target.startsWith(folder) && !path.startsWith(folder)))
        .filter((target) => !target.endsWith('/mod.ts'))
        .filter((target) => !PAST_FACES.some(({ from, to }) => from.test(path) && to.test(target)))
        .map((target) => `${path} → ${target}`)
    );
    expect(past).toEqual([]);
  });

  it('no files import one another in a circle, types included', () => {
    const graph = new Map(all.map((source) => [source.path, importsOf(source)]));
    const reachedFrom = (path: string, seen = new Set<string>()): Set<string> => {
      for (const next of graph.get(path) ?? []) if (!seen.has(next)) reachedFrom(next, seen.add(next));
      return seen;
    };
    const reached = new Map([...graph.keys()].map((path) => [path, reachedFrom(path)]));
    const inCircles = [...reached].filter(([path, others]) => others.has(path)).map(([path]) => path);
    const isOf = (path: string, left: string) =>
      reached.get(left)?.has(path) === true && reached.get(path)!.has(left);
    expect(inCircles.filter((path) => !CIRCLES_LEFT.some((left) => isOf(path, left)))).toEqual([]);
    expect(CIRCLES_LEFT.filter((left) => !inCircles.includes(left))).toEqual([]);
  });

  it('no two files of one room have the same name', () => {
    const inRooms = sources('mod').filter(({ path }) => !path.endsWith('/mod.ts'))
      .map(({ path }) => `${roomOf(path)}: ${path.split('/').at(-1)}`);
    expect(inRooms.filter((name, index) => inRooms.indexOf(name) !== index)).toEqual([]);
  });

  it('every export of a face is documented', () => {
    const texts = new Map(all.map(({ path, text }) => [path, text]));
    const bare = faces.map(({ path }) => ({
      path,
      names: exportsOf(path, texts).filter(({ name, file }) => !isDocumented(name, file, texts))
        .map(({ name, file }) => `${name} of ${file}`),
    })).filter(({ names }) => names.length > 0);
    expect(bare).toEqual([]);
  });

  it('every room is known to the rule', () => {
    const unknown = new Set(all.map((source) => roomOf(source.path)).filter((room) => !(room in MAY_IMPORT)));
    expect([...unknown]).toEqual([]);
  });

  it('rooms behind the seam use no clock, timer, randomness or node built-in of their own', () => {
    const violations = all
      .filter(({ path }) => path.startsWith(`mod${sep}`) && SIMULATED.includes(roomOf(path)))
      .filter(({ path }) => !ADAPTERS.includes(path.split(sep).join('/')))
      .flatMap(({ path, text }) =>
        withoutComments(text).split('\n')
          .map((line, index) => ({ line, at: `${path}:${index + 1}` }))
          .filter(({ line }) => FORBIDDEN.test(line))
          .map(({ line, at }) => `${at} ${line.trim()}`)
      );
    expect(violations).toEqual([]);
  });

  it('timers are those of runtime/world.ts, which reach beyond 24.8 days', () => {
    const strays = all.filter(({ text }) =>
      /(?<![\w.#])set(?:Timeout|Interval)\b|AbortSignal\.timeout\b/.test(withoutComments(text))
    );
    expect(strays.map(({ path }) => path)).toEqual([join('runtime', 'world.ts')]);
  });

  it('HTTP goes by runtime/web_request.ts, which knows the proxies', () => {
    const strays = sources('cmd', 'mod', 'runtime').filter(({ text }) =>
      /(?<![\w.#])fetch\(/.test(withoutComments(text))
    );
    // Where no proxy is named.
    expect(strays.map(({ path }) => path)).toEqual([join('mod', 'api', 'client', 'transport.ts')]);
  });

  it('files are made, written, renamed and removed by runtime/files alone, named exceptions apart', () => {
    const writers = all.filter(changesFiles).map(({ path }) => path.split(sep).join('/'))
      .filter((path) => !path.startsWith('runtime/files/'));
    expect(writers.sort()).toEqual(Object.keys(WRITERS).sort());
  });

  it('no file sniffs the runtime outside runtime/', () => {
    const violations = all.filter(({ path }) => !path.startsWith('runtime'))
      .filter(({ text }) => /\b(?:Deno|Bun)\.\w/.test(withoutComments(text)))
      .map(({ path }) => path);
    expect(violations).toEqual([]);
  });

  it('every configuration key is read outside of mod/config, is met in any case, or names what it needs', () => {
    const readers = all.filter(({ path }) => !path.startsWith(join('mod', 'config')))
      .map(({ text }) => new Set(withoutComments(text).match(/\w+/g)));
    const isRead = (names: readonly string[]) =>
      readers.some((words) => names.slice(-2).every((name) => words.has(name)));
    const unread = allKeys().filter(({ names, key }) => !key.missing && !key.met && !isRead(names));
    expect(unread.map(({ path }) => path)).toEqual([]);
  });
});
