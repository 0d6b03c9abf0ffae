/** What can be said of a container's parameters without an engine (job-spec.md 3.1); keys in any letter case. */
import { parseReference } from '../../runtime/docker/mod.ts';
import { RESERVED_PREFIX } from './validate_env.ts';

type Check = (value: unknown) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  Image: (value) => {
    if (value === undefined || value === null || value === '') return 'it is missing';
    if (typeof value !== 'string') return 'it is not a text';
    // An id names an image that is on the node, whatever it is called there.
    if (/^(sha256:)?[a-f0-9]{64}$/.test(value)) return undefined;
    try {
      parseReference(value);
      return undefined;
    } catch (error) {
      return (error as RangeError).message;
    }
  },
  Entrypoint: words,
  Parameters: words,
  EnvironmentVariables: (value) => {
    const reserved = (each: string) => each.toUpperCase().startsWith(RESERVED_PREFIX);
    const wrong = words(value);
    if (wrong !== undefined) return wrong;
    const entries = (value ?? []) as readonly string[];
    const nameless = entries.find((each) => each.startsWith('='));
    if (nameless !== undefined) return `"${nameless}" has no name: write KEY=value`;
    return entries.some(reserved) ? `names that begin with ${RESERVED_PREFIX} are the system's` : undefined;
  },
  WorkingDirectory: (value) => {
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value !== 'string') return 'it is not a text';
    return value.startsWith('/') ? undefined : `"${value}" is not an absolute path`;
  },
};

function words(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) return 'it is not a list of texts: write ["sh", "-c", "echo hi"]';
  const odd = value.findIndex((each) => typeof each !== 'string');
  if (odd >= 0) {
    return `it is not a list of texts: put entry ${odd + 1} in quotes: ${JSON.stringify(String(value[odd]))}`;
  }
  return value.some((each: string) => each.includes('\0')) ? 'a text has a null character' : undefined;
}

/** Pairs of parameter and what is wrong with it. */
export function dockerComplaints(params: Readonly<Record<string, unknown>>): [string, string][] {
  const given = new Map(Object.entries(params).map(([key, value]) => [key.toLowerCase(), value]));
  return Object.entries(CHECKS).flatMap(([key, check]): [string, string][] => {
    const complaint = check(given.get(key.toLowerCase()));
    return complaint === undefined ? [] : [[key, complaint]];
  });
}
