/** The headers by which a server introduces itself (rest-api.md 3.2) and ids for requests that bring none. */
import { randomBytes } from 'node:crypto';
import type { BuildVersion } from '../../model/mod.ts';

export function serverHeaders(version: BuildVersion): Readonly<Record<string, string>> {
  return {
    'X-Bacalhau-Git-Version': version.GitVersion,
    'X-Bacalhau-Git-Commit': version.GitCommit,
    'X-Bacalhau-Build-Date': goTime(version.BuildDate),
    'X-Bacalhau-Build-OS': version.GOOS,
    'X-Bacalhau-Arch': version.GOARCH,
  };
}

/** `2026-08-19 20:40:26 +0000 UTC` of an RFC 3339 text in UTC. */
export function goTime(rfc3339: string): string {
  return `${rfc3339.slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 32;
const pool = { bytes: new Uint8Array(0), next: 0 };

/** 32 random letters. */
export function requestId(): string {
  if (pool.next + LENGTH > pool.bytes.length) {
    pool.bytes = randomBytes(LENGTH * 128);
    pool.next = 0;
  }
  let id = '';
  for (const byte of pool.bytes.subarray(pool.next, pool.next += LENGTH)) {
    id += LETTERS[byte % LETTERS.length];
  }
  return id;
}
