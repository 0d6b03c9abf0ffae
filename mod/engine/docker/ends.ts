/** Ends of a container that are not its program's own: what befell it, whose doing it was, and what to do about it. */
import type { RunEnd } from '../engine.ts';
import { failed } from './failures.ts';

export function stopped(exitCode?: number): RunEnd {
  const hint = 'It was stopped on request or by a limit of its job';
  return failed('Stopped', 'user', 'The container was stopped', hint, exitCode);
}

export function engineRestarted(): RunEnd {
  return failed(
    'EngineRestarted',
    'infrastructure',
    'The Docker engine of the node was stopped or restarted, and the container with it',
    'With "live-restore": true in /etc/docker/daemon.json containers outlive their engine',
  );
}

export function engineUnavailable(thrown: unknown): RunEnd {
  return failed(
    'EngineUnavailable',
    'infrastructure',
    `The Docker engine of the node went away and did not come back: ${(thrown as Error).message}`,
    LOOK_AT_ENGINE,
  );
}

/** It was not started, as is known by now; a start that nobody answered is not repeated. */
export function startUnanswered(): RunEnd {
  return failed(
    'EngineUnavailable',
    'infrastructure',
    'The Docker engine of the node did not answer when the container was to be started',
    LOOK_AT_ENGINE,
  );
}

export function containerLost(): RunEnd {
  return failed(
    'ContainerLost',
    'infrastructure',
    'The container was removed by somebody else before its end was known',
    'Leave the containers of this node to it (docker container prune and rm -f remove them)',
  );
}

/** Its first end is not known any more; the program that runs now is a second one. */
export function containerRestarted(): RunEnd {
  return failed(
    'ContainerRestarted',
    'infrastructure',
    'The container was restarted by somebody else (docker restart), so its program did not come to its own end',
    LEAVE_IT,
  );
}

/** @param signal name, or number */
export function endedByOthers(signal: string, exitCode: number): RunEnd {
  return failed(
    'ContainerKilled',
    'infrastructure',
    `The container was ended by somebody else, with signal ${signal} (docker stop, docker kill)`,
    LEAVE_IT,
    exitCode,
  );
}

export function logFailed(error: unknown): RunEnd {
  return failed(
    'LogWriteFailed',
    'infrastructure',
    `The output of the program could not be kept, so it was ended: ${(error as Error).message}`,
    'Look at the disk of the node that holds its data directory',
  );
}

export const AWAY = 'The Docker engine of the node does not answer: it is waited for';
export const BACK = 'The Docker engine of the node answers again';
export const LOOK_AT_ENGINE = 'Look at the Docker engine of the node: systemctl status docker';
const LEAVE_IT = 'Leave the containers of this node to it; end a job by: bacalhau job stop';
