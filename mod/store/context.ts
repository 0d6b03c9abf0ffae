/** What the repositories of one read or write share. */
import type { Kysely } from 'kysely';
import {
  BacalhauError,
  deepFreeze,
  type Job,
  type NodeInfo,
  parseJson,
  stringifyJson,
} from '../model/mod.ts';
import { Lru } from './lru.ts';
import type { OrchestratorSchema } from './orchestrator_schema.ts';
import type { ExecutionRow, JobVersionRow } from './rows.ts';

/** What is kept of a version in memory: also the job at the latest revision that was read, which shares its body. */
export interface KeptVersion {
  readonly row: JobVersionRow;
  /** Of its JSON text; a decoded job costs something however short that is. */
  readonly weight: number;
  latest: Job;
}

/**
 * Decoded bodies, shared by all transactions. An entry is right for its key and revision for ever, since a committed
 * revision never changes; what a transaction wrote is added only when it has committed.
 */
export interface Caches {
  /** By `job id@version`. */
  readonly versions: Lru<KeptVersion>;
  /** By execution id. */
  readonly executions: Lru<ExecutionRow>;
  /** By node id. */
  readonly nodes: Lru<{ readonly rev: bigint; readonly info: NodeInfo }>;
}

/** Characters of JSON text whose decoded form is kept; the heap holds two to three times that. */
const CACHED_TEXT = 2 * 2 ** 20;
/** Of nodes, whose objects the orchestrator holds anyway: some ten thousand of usual ones. */
const CACHED_NODES = 16 * 2 ** 20;

export function newCaches(): Caches {
  return {
    versions: new Lru(CACHED_TEXT),
    executions: new Lru(CACHED_TEXT),
    nodes: new Lru(CACHED_NODES),
  };
}

export interface ReadContext {
  readonly db: Kysely<OrchestratorSchema>;
  readonly caches: Caches;
  /** Changes the caches: at once in a snapshot of committed rows, after the commit in a transaction. */
  cache(change: (caches: Caches) => void): void;
}

export interface WriteContext extends ReadContext {
  readonly now: bigint;
  uuid(): string;
  notify(key: string): void;
}

/** JSON text of a value; the plain path is several times faster and fails only on a `bigint`. */
export function encode(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return stringifyJson(value);
  }
}

export function decode<T>(text: string): T {
  return deepFreeze(parseJson(text)) as T;
}

const EMPTY = Object.freeze({});

/** As {@link decode} for maps that are nearly always empty. */
export function decodeMap<T extends object>(text: string): T {
  return text === '{}' ? EMPTY as T : decode<T>(text);
}

export function revisionConflict(kind: string, id: string): BacalhauError {
  return new BacalhauError(
    'RevisionConflict',
    `Cannot change ${kind} "${id}": it has changed since it was read`,
    {
      component: 'Store',
      status: 409,
      retryable: true,
    },
  );
}

export function notFound(kind: string, id: string): BacalhauError {
  return new BacalhauError('NotFound', `Cannot change ${kind} "${id}": there is none`, {
    component: 'Store',
  });
}

/** Runs `work`; a unique index that refuses becomes the error that `conflict` makes. */
export async function orConflict<T>(
  work: Promise<T>,
  conflict: (cause: BacalhauError) => BacalhauError,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BacalhauError && error.code === 'UniqueViolation') throw conflict(error);
    throw error;
  }
}

/** The smallest text above all that begin with `prefix`; ids are ASCII. */
export function above(prefix: string): string {
  return `${prefix}\uffff`;
}
