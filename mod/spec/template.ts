/**
 * The part of Go's text templates that job files use (job-spec.md 1.14): `{{.name}}`, `{{index . "a-b"}}`, `or`, `and`,
 * `not`, `eq`, pipelines, quoted texts, `if`/`else if`/`else`/`end`, comments and trimming. A missing name is an error.
 */
import { BacalhauError } from '../model/mod.ts';

/** Values of a template's variables by name. */
export type Variables = Readonly<Record<string, string>>;
type Value = string | boolean | Variables;

interface Piece {
  readonly action: boolean;
  readonly text: string;
  readonly line: number;
}

/** @throws BacalhauError naming the line */
export function expandTemplate(text: string, variables: Variables): string {
  if (!text.includes('{{')) return text;
  const pieces = split(text);
  const reader = { at: 0 };
  const result = block(pieces, reader, variables, true);
  const stray = pieces[reader.at];
  if (stray) throw failure(stray.line, `{{${stray.text}}} without a matching {{if}}`);
  return result;
}

/**
 * Variables for a template: those of the environment whose names `pattern` matches anywhere (`*` alone is all), then the
 * explicit ones, which win.
 * @throws BacalhauError when the pattern is no expression
 */
export function templateVariables(explicit: Variables, env: Variables, pattern: string): Variables {
  if (pattern === '') return explicit;
  let expression: RegExp;
  try {
    expression = new RegExp(pattern === '*' ? '.*' : pattern);
  } catch (cause) {
    throw new BacalhauError('BadRequest', `Cannot compile environment variable pattern "${pattern}"`, {
      cause,
    });
  }
  return {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => expression.test(name))),
    ...explicit,
  };
}

function failure(line: number, why: string): BacalhauError {
  const hint =
    'Give its variables with --template-vars, or use --no-template if the braces are meant as they are.';
  return new BacalhauError('ValidationError', `Cannot expand template: line ${line}: ${why}`, { hint });
}

function split(text: string): Piece[] {
  const pieces: Piece[] = [];
  let rest = 0;
  let line = 1;
  let trimNext = false;
  const plain = (until: number, trimEnd: boolean) => {
    let part = text.slice(rest, until);
    const newlines = part.split('\n').length - 1;
    if (trimNext) part = part.trimStart();
    pieces.push({ action: false, text: trimEnd ? part.trimEnd() : part, line });
    line += newlines;
  };
  for (;;) {
    const open = text.indexOf('{{', rest);
    if (open < 0) break;
    // Texts in quotes and comments may hold closing braces.
    const action =
      /\{\{(?:(-)(?=\s))?((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\*[\s\S]*?\*\/|(?!\}\})[^"`])*?)(?:\s(-))?\}\}/y;
    action.lastIndex = open;
    const match = action.exec(text);
    plain(open, match?.[1] === '-');
    if (!match) throw failure(line, '"{{" without its "}}"');
    pieces.push({ action: true, text: match[2]!.trim(), line });
    line += match[0].split('\n').length - 1;
    trimNext = match[3] === '-';
    rest = action.lastIndex;
  }
  plain(text.length, false);
  return pieces;
}

/** Everything up to `else`, `end` or the end of the text; without effect where `live` is false. */
function block(pieces: readonly Piece[], reader: { at: number }, data: Variables, live: boolean): string {
  let result = '';
  for (let piece = pieces[reader.at]; piece; piece = pieces[reader.at]) {
    if (!piece.action) result += piece.text;
    else if (/^(else|end)\b/.test(piece.text)) return live ? result : '';
    else if (/^if\b/.test(piece.text)) result += conditional(pieces, reader, data, live);
    else if (live && !/^\/\*[\s\S]*\*\/$/.test(piece.text)) {
      result += print(evaluate(piece.text, piece.line, data), piece);
    }
    reader.at++;
  }
  return live ? result : '';
}

/** From `{{if …}}` up to its `{{end}}`, at which the reader is left standing. */
function conditional(
  pieces: readonly Piece[],
  reader: { at: number },
  data: Variables,
  live: boolean,
): string {
  const opening = pieces[reader.at]!;
  let result = '';
  let open = live;
  for (let piece = opening;;) {
    const condition = /^(?:else\s+)?if\b([\s\S]*)$/.exec(piece.text);
    const chosen = open && (condition === null || truth(evaluate(condition[1]!, piece.line, data)));
    reader.at++;
    result += block(pieces, reader, data, chosen);
    if (chosen) open = false;
    const next = pieces[reader.at];
    if (!next) throw failure(opening.line, '{{if}} without {{end}}');
    if (next.text === 'end') return result;
    piece = next;
  }
}

const truth = (value: Value) => (typeof value === 'object' ? Object.keys(value).length > 0 : Boolean(value));

function print(value: Value, { line }: Piece): string {
  if (typeof value === 'object') throw failure(line, 'a single variable is wanted: write {{.name}}');
  return String(value);
}

const TOKEN = /\s+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\.[\p{L}_][\p{L}\p{N}_]*|\.|[\p{L}_][\p{L}\p{N}_]*|[()|]/uy;

function evaluate(text: string, line: number, data: Variables): Value {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) throw failure(line, `unexpected "${text.slice(from).trim()}"`);
    if (token.trim() !== '') tokens.push(token);
  }
  let at = 0;

  function operand(): Value {
    const token = tokens[at++];
    if (token === undefined) throw failure(line, 'a value is missing');
    if (token === '(') {
      const value = pipeline();
      if (tokens[at++] !== ')') throw failure(line, '")" is missing');
      return value;
    }
    if (token === '.') return data;
    if (token.startsWith('.')) return lookUp(token.slice(1));
    if (token.startsWith('"')) return JSON.parse(token) as string;
    if (token.startsWith('`')) return token.slice(1, -1);
    if (token === 'true' || token === 'false') return token === 'true';
    throw failure(line, `function "${token}" is not supported here`);
  }

  function lookUp(name: string): string {
    if (Object.hasOwn(data, name)) return data[name]!;
    throw failure(line, `no variable has the key "${name}"`);
  }

  function call(name: string, args: readonly Value[]): Value {
    switch (name) {
      case 'index':
        return lookUp(String(args[1]));
      case 'or':
        return args.find(truth) ?? args.at(-1) ?? '';
      case 'and':
        return args.find((each) => !truth(each)) ?? args.at(-1) ?? '';
      case 'not':
        return !truth(args[0] ?? '');
      case 'eq':
        return args.slice(1).some((each) => each === args[0]);
      default:
        throw failure(line, `function "${name}" is not supported`);
    }
  }

  function command(piped?: Value): Value {
    const name = tokens[at];
    const isCall = name !== undefined && /^[\p{L}_]/u.test(name) && name !== 'true' && name !== 'false';
    if (!isCall) return operand();
    at++;
    const args: Value[] = [];
    while (at < tokens.length && tokens[at] !== '|' && tokens[at] !== ')') args.push(operand());
    return call(name, piped === undefined ? args : [...args, piped]);
  }

  function pipeline(): Value {
    let value = command();
    while (tokens[at] === '|') {
      at++;
      value = command(value);
    }
    return value;
  }

  const value = pipeline();
  if (at < tokens.length) throw failure(line, `unexpected "${tokens[at]}"`);
  return value;
}
