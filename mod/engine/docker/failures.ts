/**
 * What went wrong, told apart by whose fault it is: an error of the engine at create or start, and the end of a program.
 * The exit codes 125, 126 and 127 of a program are its own; those of this file are of programs that never began.
 */
import { BacalhauError, sizeText } from '../../model/mod.ts';
import { type ContainerState, DockerError } from '../../../runtime/docker/mod.ts';
import type { RunEnd } from '../engine.ts';

type Failed = Extract<RunEnd, { kind: 'failed' }>;

interface Rule {
  readonly pattern: RegExp;
  readonly code: string;
  readonly class: 'user' | 'infrastructure';
  readonly hint: string;
  /** As a shell tells it: 126 = cannot be run, 127 = not found. */
  readonly exitCode?: number;
}

const NO_SUCH_DIRECTORY = 'The image has no such directory, or a file is in its place';

/** What the engine and its runtime say in texts; the first that fits decides. */
const RULES: readonly Rule[] = [
  {
    pattern:
      /port is already allocated|address already in use|failed to bind (host )?port|ports are not available/i,
    code: 'PortInUse',
    class: 'infrastructure',
    hint: 'Another program of the node holds the port; leave the port to the node (Static: 0), or free it',
  },
  {
    pattern:
      /executable file not found in \$PATH|exec: "(?:[^"\\]|\\.)*": stat .*: no such file or directory|executable file `.*` not found/i,
    code: 'ExecutableNotFound',
    class: 'user',
    exitCode: 127,
    hint: 'The image has no such program; look at Entrypoint and Parameters (each word is one entry)',
  },
  {
    pattern: /argument list too long/i,
    code: 'ArgumentsTooLong',
    class: 'user',
    exitCode: 126,
    hint: 'Linux takes 128 KiB for one argument or variable; pass what is larger in a file, as an input',
  },
  {
    pattern: /exec format error/i,
    code: 'ExecutableInvalid',
    class: 'user',
    exitCode: 126,
    hint: 'The program is made for another platform, or is a script without its first line "#!…"',
  },
  {
    pattern:
      /(chdir to cwd|working directory|cwd|current working directory).*(no such file|not a directory|permission denied|invalid|not an absolute)|cannot mkdir: .*not a directory/i,
    code: 'WorkingDirectoryInvalid',
    class: 'user',
    exitCode: 126,
    hint: `Look at WorkingDirectory. ${NO_SUCH_DIRECTORY}`,
  },
  {
    pattern:
      /exec(:| ).*permission denied|starting container process caused.*(permission denied|is a directory)/i,
    code: 'ExecutableNotRunnable',
    class: 'user',
    exitCode: 126,
    hint: 'It is a directory, or it lacks the permission to be executed',
  },
  {
    pattern: /starting container process caused.*no such file or directory/i,
    code: 'ExecutableNotFound',
    class: 'user',
    exitCode: 127,
    hint: 'The image has no such program, or not the interpreter or loader that it names',
  },
  {
    pattern: /no command specified/i,
    code: 'NoCommand',
    class: 'user',
    hint: 'The image has no command of its own: give Parameters or an Entrypoint',
  },
  {
    pattern: /unable to find user|unable to find group|no matching entries in (passwd|group) file/i,
    code: 'ImageUserUnknown',
    class: 'user',
    hint: 'The image names a user that its own /etc/passwd does not have',
  },
  {
    pattern:
      /could not select device driver .*gpu|nvidia-container-cli|unknown runtime.*nvidia|nvidia\.com\/gpu/i,
    code: 'GpuUnavailable',
    class: 'infrastructure',
    hint: 'Install the NVIDIA container toolkit on the node and configure Docker with it (nvidia-ctk)',
  },
  {
    pattern: /minimum memory limit|container init was OOM-killed|memory limit too low/i,
    code: 'MemoryTooLow',
    class: 'user',
    hint: 'Raise Resources.Memory of the task',
  },
  {
    pattern: /ulimit|rlimit/i,
    code: 'UlimitRefused',
    class: 'user',
    hint: 'The node does not grant it; lower Engine.Params.Ulimits',
  },
  {
    pattern: /can't contain null/i,
    code: 'EnvironmentInvalid',
    class: 'user',
    hint:
      'Names and values of environment variables are texts that end at a zero byte; encode bytes as base64',
  },
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'NoSpace',
    class: 'infrastructure',
    hint: 'Free disk space on the node, or let it prune images',
  },
  {
    pattern: /bind source path does not exist|mounts? denied|path is not shared/i,
    code: 'MountUnavailable',
    class: 'infrastructure',
    hint:
      'The engine does not see the files of the node: it must run on the same machine, and share its data directory',
  },
  {
    pattern: /error mounting .*read-only file system/i,
    code: 'MountInvalid',
    class: 'user',
    hint:
      'One target lies inside of another that is read-only and has no such place: put input sources and result paths beside each other',
  },
  {
    pattern:
      /invalid mount|duplicate mount point|invalid volume specification|mount destination|not a directory: .*mount|error mounting|mounting "[^"]*" to rootfs .*not a directory/i,
    code: 'MountInvalid',
    class: 'user',
    hint:
      "Look at the targets of input sources and the paths of result paths: a file cannot take a directory's place",
  },
];

/** What the engine's own code says where no text tells more. */
const BY_CODE: Readonly<Record<string, Omit<Rule, 'pattern'>>> = {
  Unavailable: {
    code: 'EngineUnavailable',
    class: 'infrastructure',
    hint: 'Look at the Docker engine of the node: systemctl status docker',
  },
  Forbidden: {
    code: 'EngineForbidden',
    class: 'infrastructure',
    hint: 'Let the user of the node use Docker: usermod -aG docker <user>',
  },
  ImageNotFound: {
    code: 'ImageNotFound',
    class: 'infrastructure',
    hint: 'The image was removed from the node while the task was prepared',
  },
  BadRequest: {
    code: 'ContainerRefused',
    class: 'user',
    hint: 'The engine does not take these settings; look at Engine.Params, Resources and Network of the task',
  },
};

const UNKNOWN: Omit<Rule, 'pattern'> = {
  code: 'ContainerStartFailed',
  class: 'infrastructure',
  hint: 'Look at the log of the Docker engine: journalctl -u docker',
};

/** The error of a create or start call in the words of a failed execution; anything else passes. */
export function startFailure(thrown: unknown, what: string): unknown {
  if (!(thrown instanceof DockerError) || thrown.code === 'Cancelled') return thrown;
  const rule = RULES.find(({ pattern }) => pattern.test(thrown.message)) ?? BY_CODE[thrown.code] ?? UNKNOWN;
  return new BacalhauError(rule.code, `Cannot ${what}: ${plain(thrown.message)}`, {
    component: 'Docker',
    hint: rule.hint,
    retryable: rule.class === 'infrastructure',
    details: {
      class: rule.class,
      ...(rule.exitCode !== undefined && { exitCode: String(rule.exitCode) }),
    },
    cause: thrown,
  });
}

/** What the layers between the engine and the kernel put before the reason: each only repeats that something failed. */
const LAYERS =
  /^(failed to (create|start) (shim task|shim|task|container)[^:]*|(OCI runtime|runc) (create|start) failed|\w+_linux\.go:\d+|unable to start container process|error during container init|[\w ]+ caused|preparing container \w+ for attach|runc|crun): /i;
/** Podman says at the end again what the reason was. */
const REPEATED =
  /: OCI (runtime attempted to invoke a command that was not found|permission denied|not found)$/;

function plain(message: string): string {
  let text = message.trim().replace(/: unknown(?=:|$)/, '').replace(REPEATED, '');
  while (LAYERS.test(text)) text = text.replace(LAYERS, '');
  return text;
}

export function failed(
  code: string,
  kind: 'user' | 'infrastructure',
  message: string,
  hint: string,
  exitCode?: number,
): Failed {
  return Object.freeze({
    kind: 'failed',
    code,
    message,
    hint,
    class: kind,
    ...(exitCode !== undefined && { exitCode }),
  });
}

/** How a container that has ended did so. @param memory the task's limit in bytes, 0 = none */
export function endOf(state: ContainerState, memory: number): RunEnd {
  if (state.OOMKilled) {
    const limit = memory > 0 ? `its limit of ${sizeText(memory)} of memory` : 'the memory that the node has';
    return failed(
      'OutOfMemory',
      'user',
      `The program was ended by the kernel: it reached ${limit}`,
      'Raise Resources.Memory of the task, or let the program use less',
      state.ExitCode || 137,
    );
  }
  if (state.Error !== '') {
    const failure = startFailure(new DockerError('SystemError', state.Error), 'run the container');
    if (failure instanceof BacalhauError) {
      const kind = failure.details.class === 'user' ? 'user' : 'infrastructure';
      return failed(failure.code, kind, failure.message, failure.hint, state.ExitCode);
    }
  }
  return Object.freeze({ kind: 'exited', exitCode: state.ExitCode });
}
