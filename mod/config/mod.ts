/** One schema, one frozen configuration: {@link loadConfig} merges files, environment, flags and `-c`. */
export type { AuthMethod, Host, User } from './key.ts';
export { allKeys, findKey, type KeyEntry, nearestKey } from './keys.ts';
export { type DataDirLayout, dataDirLayout } from './layout.ts';
export { loadConfig, type Loaded, refuseUnprotected, type Sources } from './load.ts';
export { describeOrigin, type Origin } from './origin.ts';
export { type Config, SCHEMA } from './schema/mod.ts';
export { type ConfigRow, configRows, configToRest, REDACTED } from './show.ts';
