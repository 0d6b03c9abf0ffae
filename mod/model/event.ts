/** What happened, in words for people and details for programs (rest-api.md 9.8, orchestrator.md 14). */
import type { BacalhauError } from './errors.ts';

export const EventTopic = {
  Submission: 'Submission',
  StateUpdate: 'State Update',
  Scheduling: 'Scheduling',
  Queueing: 'Queueing',
  JobTimeout: 'Job Timeout',
  ExecTimeout: 'Exec Timeout',
  Execution: 'Execution',
  ExecScanning: 'Exec Scanning',
  PreparingEnvironment: 'Preparing Environment',
  RunningExecution: 'Running Execution',
  PublishingResults: 'Publishing Results',
  DownloadingInputs: 'Downloading Inputs',
  Restart: 'Restart',
} as const;
export type EventTopic = (typeof EventTopic)[keyof typeof EventTopic];

export interface Event {
  readonly Message: string;
  /** One of {@link EventTopic}; other texts from peers are kept. */
  readonly Topic: string;
  /** RFC 3339 with up to nine fractional digits. */
  readonly Timestamp: string;
  /** Reserved keys: IsError, Hint, Retryable, FailsExecution ("true"), NewState, ErrorCode (`component:code`). */
  readonly Details?: Readonly<Record<string, string>>;
}

export interface JobHistory {
  /** Per job, from 1; the paging offset. */
  readonly SeqNum: bigint;
  /** `Undefined` is what an unknown text of a peer is read as; it is never written. */
  readonly Type: 'JobLevel' | 'ExecutionLevel' | 'Undefined';
  readonly JobID: string;
  readonly JobVersion: number;
  readonly ExecutionID?: string;
  readonly Event: Event;
  /** RFC 3339, UTC. */
  readonly Time: string;
}

/** The event of a failure: the message and, as details, code, hint and whether trying again can help. */
export function errorEvent(topic: EventTopic, error: BacalhauError, timestamp: string): Event {
  return Object.freeze({
    Message: error.message,
    Topic: topic,
    Timestamp: timestamp,
    Details: Object.freeze({
      ...error.details,
      IsError: 'true',
      ...(error.hint ? { Hint: error.hint } : {}),
      ...(error.retryable ? { Retryable: 'true' } : {}),
      ...(error.code ? { ErrorCode: `${error.component}:${error.code}` } : {}),
    }),
  });
}
