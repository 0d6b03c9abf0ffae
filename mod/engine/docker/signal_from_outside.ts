/**
 * Whether somebody beside this node ended a container: an engine tells by its events who was sent a signal through it. Asked
 * only for programs that failed, since it is a call more.
 */
import { type ContainerState, type Docker, DockerError } from '../../../runtime/docker/mod.ts';

/** Signals that are meant to end a program; the others may be its way of being talked to. */
const ENDING: Readonly<Record<string, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  9: 'SIGKILL',
  15: 'SIGTERM',
};
const FIRST_SIGNAL_EXIT = 128;
/** The event of a signal may come a moment after the end that the signal caused. */
const LATE_MS = 200;

/**
 * The name of the signal; null when nobody did, or when the engine does not tell.
 * @param now milliseconds since 1970
 */
export async function signalFromOutside(
  docker: Docker,
  id: string,
  { ExitCode, StartedAt }: ContainerState,
  now: number,
): Promise<string | null> {
  if (ExitCode === 0) return null;
  const abort = new AbortController();
  const lateMs = ExitCode > FIRST_SIGNAL_EXIT ? LATE_MS : 0;
  const events = docker.events({ container: [id], event: ['kill'] }, abort.signal, {
    since: secondsOf(Date.parse(StartedAt)),
    until: secondsOf(now + lateMs),
  });
  try {
    for await (const { Actor } of events) {
      const signal = Actor.Attributes.signal ?? '';
      const name = ENDING[signal];
      // A stop signal of the image's own shows by the exit code that it leads to.
      if (name !== undefined) return name;
      if (ExitCode === FIRST_SIGNAL_EXIT + Number(signal)) return signal;
    }
  } catch (thrown) {
    if (!(thrown instanceof DockerError)) throw thrown;
  } finally {
    abort.abort();
  }
  return null;
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(3);
}
