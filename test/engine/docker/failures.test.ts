/** What the engine says about a container that cannot start, in the words of a failed execution. */
import { describe, expect, it } from 'vitest';
import { startFailure } from '../../../mod/engine/docker/failures.ts';
import { BacalhauError } from '../../../mod/model/mod.ts';
import { DockerError } from '../../../runtime/docker/mod.ts';

const SHIM = 'failed to create shim task: OCI runtime create failed: runc create failed: ';
const OLD = 'OCI runtime create failed: container_linux.go:380: starting container process caused: ';

/** `code class exitCode: message`, as a person sees it. */
function seen(message: string): string {
  const failure = startFailure(new DockerError('SystemError', message), 'start task "main"');
  if (!(failure instanceof BacalhauError)) throw new Error(`no BacalhauError: ${failure}`);
  const { class: kind, exitCode = '-' } = failure.details;
  return `${failure.code} ${kind} ${exitCode}: ${failure.message}`;
}

describe('an error of start', () => {
  it.each([
    [
      `${SHIM}unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown`,
      'ExecutableNotFound user 127: Cannot start task "main": exec: "nosuch": executable file not found in $PATH',
    ],
    [
      `${SHIM}unable to start container process: exec: "/tmp": permission denied: unknown`,
      'ExecutableNotRunnable user 126: Cannot start task "main": exec: "/tmp": permission denied',
    ],
    [
      `${OLD}exec: "/bin/x": stat /bin/x: no such file or directory: unknown`,
      'ExecutableNotFound user 127: Cannot start task "main": exec: "/bin/x": stat /bin/x: no such file or directory',
    ],
    [
      `${OLD}process_linux.go:545: container init caused: rootfs_linux.go:76: mounting "/a" to rootfs at "/b" ` +
      'caused: mount through procfd: not a directory: unknown',
      'MountInvalid user -: Cannot start task "main": ' +
      'mounting "/a" to rootfs at "/b" caused: mount through procfd: not a directory',
    ],
    [
      `${SHIM}unable to start container process: error during container init: error mounting "/a" to rootfs ` +
      'at "/b": not a directory: unknown',
      'MountInvalid user -: Cannot start task "main": error mounting "/a" to rootfs at "/b": not a directory',
    ],
    [
      'unable to find user ghost: no matching entries in passwd file',
      'ImageUserUnknown user -: Cannot start task "main": unable to find user ghost: no matching entries in passwd file',
    ],
  ])('%s', (message, expected) => {
    expect(seen(message)).toBe(expected);
  });

  it('tells a mount inside of a read-only one from other wrong mounts', () => {
    const text =
      `${SHIM}unable to start container process: error during container init: error mounting "/r/inline" ` +
      'to rootfs at "/in/c": open /var/lib/docker/overlay2/0/merged/in/c: read-only file system: unknown';
    const failure = startFailure(new DockerError('SystemError', text), 'start');
    expect(failure).toMatchObject({
      code: 'MountInvalid',
      hint: expect.stringContaining('inside of another'),
    });
  });

  it('passes by what is not of the engine', () => {
    const thrown = new TypeError('ours');
    expect(startFailure(thrown, 'start')).toBe(thrown);
  });
});
