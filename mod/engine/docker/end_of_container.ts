/** What the end of a container says of its program, where the exit code alone does not tell. */
import { type ContainerState, DockerError } from '../../../runtime/docker/mod.ts';
import { previewLog } from '../../../runtime/log/mod.ts';
import { BacalhauError } from '../../model/mod.ts';
import type { RunEnd, RunRequest } from '../engine.ts';
import { endedByOthers } from './ends.ts';
import { endOf, failed, startFailure } from './failures.ts';
import { signalFromOutside } from './signal_from_outside.ts';
import type { RunHost } from './run_host.ts';

/** runc's own words when the kernel refuses a program that is there: all that such a container ever prints. */
const REFUSED = /^(?:exec \S+|standard_init_linux\.go:\d+: exec user process caused): "?[a-z ]+"?$/;
/** With them it ends. */
const REFUSED_CODES: readonly number[] = [1, 255];
/** Longer than any of them. */
const REFUSED_BYTES = 4096;

/** Of a container that has ended by itself, as far as its node knows. */
export async function endOfContainer(
  { docker, world }: RunHost,
  id: string,
  state: ContainerState,
  { logPath, resources, task }: RunRequest,
): Promise<RunEnd> {
  const end = endOf(state, resources.Memory ?? 0);
  if (end.kind === 'failed' || end.exitCode === 0) return end;
  const signal = await signalFromOutside(docker, id, state, Number(world.now() / 1_000_000n));
  if (signal !== null) return endedByOthers(signal, state.ExitCode);
  return await neverBegan(logPath, task.Name, state.ExitCode) ?? end;
}

async function neverBegan(logPath: string, task: string, exitCode: number): Promise<RunEnd | null> {
  if (!REFUSED_CODES.includes(exitCode)) return null;
  const { stdout, stderr } = await previewLog(logPath, REFUSED_BYTES);
  if (stdout !== '' || !REFUSED.test(stderr.trimEnd())) return null;
  const text = `starting container process caused: ${stderr.trim()}`;
  const failure = startFailure(new DockerError('SystemError', text), `start task "${task}"`);
  if (!(failure instanceof BacalhauError) || failure.details.class !== 'user') return null;
  return failed(
    failure.code,
    'user',
    failure.message,
    failure.hint,
    Number(failure.details.exitCode ?? exitCode),
  );
}
