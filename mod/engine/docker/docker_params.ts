/** Engine parameters of a Docker task (job-spec.md 3.1, and two of ours): read, with every fault named by its path. */
import { parseBytes, type Refusal, type SpecConfig } from '../../model/mod.ts';

export interface Ulimit {
  readonly Name: string;
  /** -1 = no limit. */
  readonly Soft: number;
  readonly Hard: number;
}

export interface DockerParams {
  readonly image: string;
  /** Replaces the image's; absent = the image's, empty = none, as with `--entrypoint ""`. */
  readonly entrypoint?: readonly string[];
  /** Replaces the image's command; absent = the image's. */
  readonly parameters?: readonly string[];
  /** Name and value, in the order written; a later one of the same name wins. */
  readonly env: readonly (readonly [string, string])[];
  /** Absolute. */
  readonly workingDirectory?: string;
  /** Bytes of `/dev/shm`; absent = the engine's default of 64 MB. */
  readonly shmSize?: number;
  readonly ulimits: readonly Ulimit[];
}

/** Those that the kernel has (getrlimit(2)). */
const ULIMITS: readonly string[] = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** A fault inside one parameter. */
class Fault extends Error {
  constructor(readonly field: string, why: string, readonly hint: string) {
    super(why);
  }
}

/** Reads the parameters; keys are compared ignoring case. A {@link Refusal} names the field that is wrong. */
export function parseDockerParams(engine: SpecConfig | null): DockerParams | Refusal {
  const given = new Map(
    Object.entries(engine?.Params ?? {}).map(([key, value]) => [key.toLowerCase(), value ?? undefined]),
  );
  try {
    const entrypoint = texts(given, 'Entrypoint', 'Write each word as one text: ["sh", "-c"]');
    const parameters = texts(given, 'Parameters', 'Write each argument as one text: ["-n", "5"]');
    const workingDirectory = directory(given.get('workingdirectory'));
    const shmSize = size(given.get('shmsize'));
    return Object.freeze({
      image: image(given.get('image')),
      ...(given.get('entrypoint') !== undefined && { entrypoint }),
      ...(parameters.length > 0 && { parameters }),
      env: environment(
        texts(given, 'EnvironmentVariables', 'Write each variable as one text: ["KEY=value"]'),
      ),
      ...(workingDirectory !== undefined && { workingDirectory }),
      ...(shmSize !== undefined && { shmSize }),
      ulimits: ulimits(given.get('ulimits')),
    });
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    return Object.freeze({
      code: 'ValidationError',
      reason: `this node does not run the task: Engine.Params.${thrown.field} ${thrown.message}`,
      hint: thrown.hint,
      retryable: false,
    });
  }
}

export function isRefusal(value: DockerParams | Refusal): value is Refusal {
  return 'reason' in value;
}

function image(value: unknown): string {
  const hint = 'Name an image: "ubuntu", "ghcr.io/owner/name:tag", "name@sha256:…"';
  if (value === undefined || value === '') throw new Fault('Image', 'is missing', hint);
  if (typeof value !== 'string' || value.trim() === '') throw new Fault('Image', 'is not a text', hint);
  return value.trim();
}

function texts(given: ReadonlyMap<string, unknown>, field: string, hint: string): readonly string[] {
  const value = given.get(field.toLowerCase()) ?? [];
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
    throw new Fault(field, 'is not a list of texts', hint);
  }
  if (value.some((each: string) => each.includes('\0'))) {
    throw new Fault(field, 'contains a zero byte', 'These are texts that end at a zero byte');
  }
  return value;
}

/** Entries without `=` are dropped, as the original does: they would mean a variable of the engine's own host. */
function environment(entries: readonly string[]): readonly (readonly [string, string])[] {
  return entries.filter((entry) => entry.includes('=')).map((entry) => {
    const at = entry.indexOf('=');
    const name = entry.slice(0, at);
    if (name === '') {
      throw new Fault('EnvironmentVariables', `has "${entry}" without a name`, 'Write KEY=value');
    }
    if (/^bacalhau_/i.test(name)) {
      throw new Fault(
        'EnvironmentVariables',
        `sets "${name}"`,
        'Names that begin with BACALHAU_ are set by the node; choose another',
      );
    }
    return [name, entry.slice(at + 1)];
  });
}

function directory(value: unknown): string | undefined {
  if (value === undefined || value === '') return undefined;
  const hint = 'Write the directory from the root of the container: "/work"';
  if (typeof value !== 'string') throw new Fault('WorkingDirectory', 'is not a text', hint);
  if (!value.startsWith('/') || value.includes('\0')) {
    throw new Fault('WorkingDirectory', `is "${value}", which is not an absolute path`, hint);
  }
  return value;
}

function size(value: unknown): number | undefined {
  if (value === undefined || value === '') return undefined;
  const hint = 'Write a size: "1GB", "512Mb"';
  try {
    const bytes = typeof value === 'number' ? value : parseBytes(String(value));
    if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
  }
  throw new Fault('ShmSize', `is ${JSON.stringify(value)}, which is not a size`, hint);
}

function ulimits(value: unknown): readonly Ulimit[] {
  if (value === undefined) return [];
  const hint =
    'Write names with "soft:hard" or one number: {"nofile": "1024:4096", "core": 0}; -1 is no limit';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Fault('Ulimits', 'is not a map of names to limits', hint);
  }
  return Object.entries(value).map(([name, limit]) => {
    if (!ULIMITS.includes(name)) {
      throw new Fault(`Ulimits.${name}`, 'is not a limit that there is', `Use one of ${ULIMITS.join(', ')}`);
    }
    const match = /^(-1|[0-9]+)(?::(-1|[0-9]+))?$/.exec(String(limit));
    const Soft = Number(match?.[1]);
    const Hard = Number(match?.[2] ?? match?.[1]);
    if (!match || !Number.isSafeInteger(Soft) || !Number.isSafeInteger(Hard)) {
      throw new Fault(`Ulimits.${name}`, `is ${JSON.stringify(limit)}, which is not a limit`, hint);
    }
    if (Hard !== -1 && (Soft === -1 || Soft > Hard)) {
      throw new Fault(`Ulimits.${name}`, `is "${limit}": the soft limit is above the hard one`, hint);
    }
    return { Name: name, Soft, Hard };
  });
}
