/** Version and build of this program. The bundler replaces the three names; from source they do not exist. */
import process from 'node:process';

declare const BACALHAU_VERSION: string | undefined;
declare const BACALHAU_COMMIT: string | undefined;
declare const BACALHAU_BUILD_DATE: string | undefined;

const GO_SYSTEMS: Readonly<Record<string, string>> = { win32: 'windows' };
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

const version = typeof BACALHAU_VERSION === 'string' ? BACALHAU_VERSION : 'v1.10.0';
const [major, minor] = version.replace(/^v/, '').split('.');

/** The build in the shape of the API's version object. */
export const BUILD_INFO = Object.freeze({
  Major: major!,
  Minor: minor!,
  GitVersion: version,
  GitCommit: typeof BACALHAU_COMMIT === 'string' ? BACALHAU_COMMIT : 'unknown',
  /** RFC 3339. */
  BuildDate: typeof BACALHAU_BUILD_DATE === 'string' ? BACALHAU_BUILD_DATE : '1970-01-01T00:00:00Z',
  GOOS: GO_SYSTEMS[process.platform] ?? process.platform,
  GOARCH: GO_ARCHITECTURES[process.arch] ?? process.arch,
});
