/** Whether a submission changes a stored job (job-spec.md 2.6). */
import { encodeJob, stringifyJson } from '../model/mod.ts';
import type { Job } from '../model/mod.ts';
import { convertLegacyWasm } from './legacy_wasm.ts';
import { normaliseJob } from './normalise.ts';
import { RESERVED_META_PREFIX } from './sanitise.ts';

/**
 * Everything counts, the order of lists included, but not: ID, state, version, revision, times, reserved meta keys,
 * letter case of amounts, and whether a module is given in the old or today's layout.
 */
export function specEquals(a: Job, b: Job): boolean {
  return fingerprint(a) === fingerprint(b);
}

function fingerprint(job: Job): string {
  const normal = normaliseJob(convertLegacyWasm(job).job);
  const own = Object.entries(normal.Meta).filter(([key]) => !key.startsWith(RESERVED_META_PREFIX));
  return stringifyJson(encodeJob({
    ...normal,
    // A job without a name is named by its ID, which does not count.
    Name: normal.Name === normal.ID ? '' : normal.Name,
    ID: '',
    Meta: Object.fromEntries(own),
    State: { StateType: 'Undefined' },
    Version: 0,
    Revision: 0n,
    CreateTime: 0n,
    ModifyTime: 0n,
  }));
}
