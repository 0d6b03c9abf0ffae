/**
 * Every key of the configuration: type, default, documentation, whether its feature exists. Order is that of REST
 * (rest-api.md 7.1.5). Keys that 1.9 does not have say so in their documentation.
 */
import { choice, duration, flag, HOUR, ignored, map, text } from '../key.ts';
import type { ValuesOf } from '../key.ts';
import { API, Logging, WebUI } from './api.ts';
import { Compute, JobAdmissionControl } from './compute.ts';
import { JobDefaults } from './job_defaults.ts';
import { Orchestrator } from './orchestrator.ts';
import { Engines, InputSources, Publishers, ResultDownloaders } from './providers.ts';

/** The tree of all keys: their kinds, defaults and texts, from which everything about configuration derives. */
export const SCHEMA = {
  API,
  NameProvider: choice(
    ['puuid', 'uuid', 'hostname', 'aws', 'gcp'],
    'puuid',
    'How a new node gets its name: n- and a random UUID, a UUID, the name of the host, or that of the cloud instance.',
  ),
  DataDir: text(({ home }) => `${home}/.bacalhau`, 'Folder in which everything is kept.', {
    env: ['BACALHAU_DIR'],
  }),
  StrictVersionMatch: flag(false, 'Without meaning, as in the original.', ignored('a check of versions')),
  Orchestrator,
  Compute,
  WebUI,
  InputSources,
  Publishers,
  Engines,
  ResultDownloaders,
  JobDefaults,
  JobAdmissionControl,
  Logging,
  UpdateConfig: {
    Interval: duration(24 * HOUR, 'How often to look for a new version; 0 = never.', {
      ...ignored('a look for new versions'),
      min: -Infinity,
    }),
  },
  FeatureFlags: {},
  Labels: map({}, 'Labels of this node, by which jobs choose it.'),
  DisableAnalytics: flag(false, 'Send no usage events. (None are sent anyway.)', { met: true }),
  Compatibility: choice(
    ['', '1.9'],
    '',
    'Empty, or 1.9 for the behaviour of the original where ours differs on purpose. (Not in 1.9)',
  ),
};

/** The whole configuration, frozen. Durations are milliseconds, sizes bytes. */
export type Config = ValuesOf<typeof SCHEMA>;
