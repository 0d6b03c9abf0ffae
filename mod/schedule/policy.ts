/** The scheduler's settings and their defaults (config.md, `Orchestrator.Scheduler`). */
import { NANOS_PER_SECOND } from '../model/mod.ts';
import type { SchedulePolicy } from './types.ts';

/** The policy where no key says otherwise. */
export const DEFAULT_POLICY: SchedulePolicy = Object.freeze({
  bidTimeout: 120n * NANOS_PER_SECOND,
  timeoutGrace: 120n * NANOS_PER_SECOND,
  disconnectWindow: 300n * NANOS_PER_SECOND,
  defaultQueueTimeout: 3600n * NANOS_PER_SECOND,
  maxRetries: 2,
  retryBackoff: 1n * NANOS_PER_SECOND,
  retryBackoffMax: 60n * NANOS_PER_SECOND,
  avoid: 60n * NANOS_PER_SECOND,
  overCommit: 1.5,
  maxPlacements: 100,
  userErrorsFinal: true,
});
