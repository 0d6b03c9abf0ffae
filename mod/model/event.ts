/** What happened, in words for people and details for programs (rest-api.md 9.8, orchestrator.md 14). */
import type { BacalhauError } from './errors.ts';
import { named, rfc3339, textMap } from './fields.ts';
import { type Codec, codec, omitEmpty, required, struct, text, type TypeOf, uint, uint64 } from './shape.ts';

/** The part of the program that an event is about. */
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

/** Something that happened to a job or an execution, for people. */
export interface Event extends TypeOf<typeof eventShape> {}
const eventShape = struct('Event', {
  Message: required(text),
  /** One of {@link EventTopic}; other texts from peers are kept. */
  Topic: required(text),
  /** RFC 3339 with up to nine fractional digits. */
  Timestamp: required(rfc3339),
  /** Reserved keys: IsError, Hint, Retryable, FailsExecution ("true"), NewState, ErrorCode (`component:code`). */
  Details: omitEmpty(textMap),
});
/** The JSON of an event. */
export const eventCodec: Codec<Event> = codec('event', eventShape);

/** An entry of a job's history. */
export interface JobHistory extends TypeOf<typeof jobHistory> {}
const jobHistory = struct('JobHistory', {
  /** Per job, from 1; the paging offset. */
  SeqNum: required(uint64),
  /** `Undefined` is what an unknown text of a peer is read as; it is never written. */
  Type: required(
    named<HistoryType>('history type', ['JobLevel', 'ExecutionLevel'], 'Undefined', 'Undefined'),
  ),
  JobID: required(text),
  JobVersion: required(uint),
  ExecutionID: omitEmpty(text),
  Event: required(eventCodec.shape),
  /** RFC 3339, UTC. */
  Time: required(rfc3339),
});
/** The JSON of a history entry. */
export const jobHistoryCodec: Codec<JobHistory> = codec('history entry', jobHistory);
type HistoryType = 'JobLevel' | 'ExecutionLevel' | 'Undefined';

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
