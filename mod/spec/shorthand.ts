/** The short forms of the command line: `-i` (job-spec.md 4.9), `-p` (5.7) and `-o` (1.15). */
import { BacalhauError } from '../model/mod.ts';
import type { InputSource, ResultPath, SpecConfig } from '../model/mod.ts';
import { parseCsvRecord } from './csv.ts';

const DEFAULT_TARGET = '/inputs';

/** Keys under which a field may be given, in any letter case. */
const ALIASES: Readonly<Record<string, 'source' | 'target' | 'option'>> = {
  src: 'source',
  source: 'source',
  dst: 'target',
  target: 'target',
  destination: 'target',
  opt: 'option',
  option: 'option',
};

interface ShortForm {
  /** The first field where it has no `=`. */
  readonly first?: string;
  readonly source?: string;
  readonly target?: string;
  readonly options: ReadonlyMap<string, string>;
}

/** Splits `FIRST,key=value,opt=name=value`; later fields win. @throws RangeError */
function parseRecord(text: string): ShortForm {
  if (text === '') throw new RangeError('it is empty');
  const record: { first?: string; source?: string; target?: string } = {};
  const options = new Map<string, string>();
  parseCsvRecord(text).forEach((field, index) => {
    if (field !== field.trim()) throw new RangeError(`"${field}" has blanks around it`);
    const [key, value] = cut(field, '=');
    if (value === undefined) {
      if (index > 0) throw new RangeError(`"${field}" is not of the form key=value`);
      record.first = field;
      return;
    }
    const alias = ALIASES[key.toLowerCase()];
    if (alias === undefined) throw new RangeError(`"${key}" is no key of it: use src, dst or opt`);
    if (alias !== 'option') {
      record[alias] = value;
      return;
    }
    const [name, setting] = cut(value, '=');
    if (name === '' || !setting) throw new RangeError(`option "${value}" is not of the form name=value`);
    options.set(name, setting);
  });
  return { ...record, options };
}

function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function invalid(what: string, text: string, error: unknown): BacalhauError {
  const reason = error instanceof Error ? error.message : String(error);
  return new BacalhauError('BadRequest', `Cannot read ${what} "${text}": ${reason}`, { cause: error });
}

/**
 * `s3://bucket/key:/target,opt=region=r`, `https://host:90/x`, `src=https://host:90/x,dst=/x` …
 * @param otherwise target where none is given
 * @throws BacalhauError
 */
export function parseInput(text: string, otherwise = DEFAULT_TARGET): InputSource {
  try {
    const { first, source, target, options } = parseRecord(text);
    const [uri, place] = first === undefined ? [undefined, undefined] : splitTarget(first);
    const from = unquote(source ?? uri ?? '');
    if (from === '') throw new RangeError('the source is missing');
    return {
      Source: writableSource(from, options),
      Alias: from,
      Target: unquote(target ?? place ?? '') || otherwise,
    };
  } catch (error) {
    throw invalid('input', text, error);
  }
}

/** Splits at the last colon after the scheme, unless it stands before a port (the original takes that for a target). */
function splitTarget(text: string): [string, string | undefined] {
  const scheme = text.indexOf('://');
  const colon = text.lastIndexOf(':');
  const isPort = /^[^/?#]*$/.test(text.slice(scheme + 3, colon)) &&
    /^\d+([/?#]|$)/.test(text.slice(colon + 1));
  return scheme >= 0 && colon > scheme && !isPort
    ? [text.slice(0, colon), text.slice(colon + 1)]
    : [text, undefined];
}

const unquote = (text: string) => text.replace(/^['"\s]+|(?<!['"\s])['"\s]+$/g, '');

const S3_OPTIONS: Readonly<Record<string, string>> = {
  endpoint: 'Endpoint',
  region: 'Region',
  versionID: 'VersionID',
  'version-id': 'VersionID',
  version_id: 'VersionID',
  'checksum-256': 'ChecksumSHA256',
  checksum256: 'ChecksumSHA256',
  checksum_256: 'ChecksumSHA256',
  filter: 'Filter',
};
/** The original writes every field of the source, also in a dry run. */
const S3_EMPTY = { Filter: '', Region: '', Endpoint: '', VersionID: '', ChecksumSHA256: '' };
const WRITE_OPTIONS = ['rw', 'read-write', 'read_write', 'readwrite'];
/** Ours, for every source: what is fetched is read-only unless this asks for a copy of its own (compatibility.md A5). */
const WRITABLE = 'writable';

function sourceOf(uri: string, options: ReadonlyMap<string, string>): SpecConfig {
  const [scheme, rest = ''] = cut(uri, '://');
  const [host, path] = [rest.split('/', 1)[0]!, rest.slice(rest.split('/', 1)[0]!.length)];
  switch (uri.includes('://') ? scheme : '') {
    case 'ipfs':
      if (host === '') throw new RangeError('the CID is missing');
      return { Type: 'ipfs', Params: { CID: host } };
    case 'http':
    case 'https':
      if (host === '' || path === '') {
        throw new RangeError(
          'the URL needs a host and a path (one with a port is given as src=URL,dst=TARGET)',
        );
      }
      return { Type: 'urlDownload', Params: { URL: uri } };
    case 's3':
      if (host === '') throw new RangeError('the bucket is missing');
      return { Type: 's3', Params: { ...S3_EMPTY, Bucket: host, Key: path.slice(1), ...s3Params(options) } };
    case 'file':
      if (rest === '') throw new RangeError('the path is missing');
      return {
        Type: 'local',
        Params: { SourcePath: cleanPath(rest), ReadWrite: readWrite(options), CreateAs: '' },
      };
    case 'git':
    case 'gitlfs':
      throw new RangeError(`sources of type ${scheme} are not supported`);
    default:
      throw new RangeError('unknown storage schema: use ipfs://, http://, https://, s3:// or file://');
  }
}

/** Without empty parts, `.` and what `..` undoes, as the original stores it. */
function cleanPath(path: string): string {
  const root = path.startsWith('/') ? '/' : '';
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..' || (root === '' && (parts.length === 0 || parts.at(-1) === '..'))) parts.push(part);
    else parts.pop();
  }
  return root + parts.join('/') || '.';
}

function s3Params(options: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...options].map(([name, value]) => {
    const key = Object.hasOwn(S3_OPTIONS, name) ? S3_OPTIONS[name] : undefined;
    if (key === undefined) throw new RangeError(`unknown option "${name}" of an s3 source`);
    return [key, value];
  }));
}

function readWrite(options: ReadonlyMap<string, string>): boolean {
  let result = false;
  for (const [name, value] of options) {
    if (!WRITE_OPTIONS.includes(name)) throw new RangeError(`unknown option "${name}" of a file source`);
    result = truth(name, value);
  }
  return result;
}

function truth(name: string, value: string): boolean {
  if (!/^(1|t|true|0|f|false)$/i.test(value)) throw new RangeError(`option "${name}" wants true or false`);
  return /^[1t]/i.test(value);
}

/** The source with the option `writable` taken out of `options` and applied. */
function writableSource(uri: string, options: ReadonlyMap<string, string>): SpecConfig {
  const others = new Map(options);
  const wanted = options.get(WRITABLE);
  others.delete(WRITABLE);
  const { Type, Params } = sourceOf(uri, others);
  if (wanted === undefined || !truth(WRITABLE, wanted)) return { Type, ...(Params ? { Params } : {}) };
  return { Type, Params: { ...Params, [Type === 'local' ? 'ReadWrite' : 'Writable']: true } };
}

/**
 * `local`, `s3://bucket/key,opt=region=r`, `dst=ipfs` …
 * @throws BacalhauError
 */
export function parsePublisher(text: string): SpecConfig {
  try {
    const { first, target, source, options } = parseRecord(text);
    if (source !== undefined) throw new RangeError('a publisher has no source: use dst and opt');
    return publisherOf(target ?? first ?? '', options);
  } catch (error) {
    throw invalid('publisher', text, error);
  }
}

function publisherOf(uri: string, options: ReadonlyMap<string, string>): SpecConfig {
  const [scheme, rest = ''] = cut(uri, '://');
  switch (scheme) {
    case 'ipfs':
    case 'local':
    case 's3managed':
      return { Type: scheme };
    case 's3': {
      const [bucket, key = ''] = cut(rest, '/');
      const params = {
        ...(bucket ? { bucket } : {}),
        ...(key ? { key } : {}),
        ...Object.fromEntries(options),
      };
      for (const name of ['bucket', 'key']) {
        if (!Object.hasOwn(params, name)) {
          throw new RangeError(`the ${name} is missing: write s3://BUCKET/KEY`);
        }
      }
      return { Type: 's3', Params: params };
    }
    default:
      throw new RangeError('unknown publisher: use local, s3://BUCKET/KEY, s3managed or ipfs');
  }
}

/** `NAME:PATH`. @throws BacalhauError */
export function parseOutput(text: string): ResultPath {
  const [Name, Path, more] = text.split(':');
  if (Name && Path && more === undefined) return { Name, Path };
  throw invalid('output', text, 'it is NAME:PATH with exactly one colon');
}
