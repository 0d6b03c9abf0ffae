/** Which version of the API to speak. */
import { DockerError } from './errors.ts';

/** Docker 20.10; older ones lack what the hardening of jobs needs. */
export const MIN_VERSION = '1.41';
/** The highest whose changes were read for this client (Docker 28). */
export const MAX_VERSION = '1.51';

/**
 * The engine's version, at most ours.
 * @param offered by the engine, in the header of its answer to a ping
 * @param wanted by the user (DOCKER_API_VERSION); then it is used as it is
 * @throws DockerError `NotImplemented` when that is too old, `ConfigInvalid` when `wanted` is no version
 */
export function chooseVersion(
  offered: string | undefined,
  wanted: string | undefined,
  where: string,
): string {
  if (wanted !== undefined && !/^\d+\.\d+$/.test(wanted)) {
    throw new DockerError('ConfigInvalid', `Cannot use DOCKER_API_VERSION "${wanted}": it is not a version`);
  }
  const version = wanted ?? offered ?? '1.24'; // engines before that said nothing
  if (compareVersions(version, MIN_VERSION) < 0) {
    throw new DockerError(
      'NotImplemented',
      `Cannot use the Docker engine "${where}": it speaks API ${version}, ${MIN_VERSION} (Docker 20.10) is needed`,
    );
  }
  return wanted ?? (compareVersions(version, MAX_VERSION) > 0 ? MAX_VERSION : version);
}

/** Negative, zero or positive, as for `Array.sort`. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((text) => text.split('.').map(Number)) as [number[], number[]];
  return (a[0]! - b[0]!) || (a[1]! - b[1]!);
}
