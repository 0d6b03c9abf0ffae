/** Where results go. Keys contain the execution id, so publishing again writes the same bytes to the same place. */
import type { Refusal, SpecConfig } from '../model/mod.ts';

/** The results of one execution, and where they are to go. */
export interface PublishRequest {
  readonly spec: SpecConfig;
  readonly nodeId: string;
  readonly jobId: string;
  readonly executionId: string;
  /** Results folder: `stdout`, `stderr`, `exitCode` and one folder per result path. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Puts the results of executions where their job wants them. */
export interface Publisher {
  /** `local`, `s3` …; compared ignoring case. */
  readonly type: string;
  available(): Promise<Refusal | null>;
  check(spec: SpecConfig): Promise<Refusal | null>;
  /** The published result, as stored in `Execution.PublishedResult`. @throws BacalhauError */
  publish(request: PublishRequest): Promise<SpecConfig>;
  close(): Promise<void>;
}
