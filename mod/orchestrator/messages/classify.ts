/**
 * What a report of a node means: whether a run succeeded, and which class a failure has (invariants.md section 0 rows 13
 * and 14, compatibility.md A1). One table for all peers, since a node of the original tells text only.
 */
import {
  type Compatibility,
  type Event,
  FAILURE_CLASSES,
  type FailureClass,
  isFinite,
  type Job,
  type RunOutput,
} from '../../model/mod.ts';
import { exitHint, exitMessage } from './exit_code.ts';

export interface Failure {
  readonly class: FailureClass;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** A node of the original reports a module's plain return as -1. */
export function readOutput(output: RunOutput | null, job: Job, extended: boolean): RunOutput | null {
  const engine = job.Tasks[0]?.Engine?.Type.toLowerCase();
  const plainReturn = !extended && engine === 'wasm' && output?.ExitCode === -1 && output.ErrorMsg === '';
  return plainReturn ? { ...output, ExitCode: 0 } : output;
}

/** Null when the run succeeded. */
export function failureOfResult(
  output: RunOutput | null,
  job: Job,
  compatibility: Compatibility,
): Failure | null {
  if (!isFinite(job.Type)) {
    return {
      class: 'user',
      code: 'UnexpectedCompletion',
      message: 'execution completed unexpectedly',
      hint: 'A service or daemon job runs until it is stopped; use a batch job for a program that ends',
    };
  }
  if (!output) return null;
  if (output.ErrorMsg !== '') {
    return { class: 'user', code: 'RunFailed', message: output.ErrorMsg, hint: '' };
  }
  if (output.ExitCode !== 0 && compatibility.exitCodeFails) {
    return {
      class: 'user',
      code: 'ExitCode',
      message: exitMessage(output.ExitCode),
      hint: exitHint(output.ExitCode),
    };
  }
  return null;
}

interface Rule {
  readonly topic?: string;
  readonly code?: RegExp;
  readonly text?: RegExp;
  readonly class: FailureClass;
}

/** First match wins; what matches nothing is the infrastructure's. */
const RULES: readonly Rule[] = [
  { text: /^Execution timed out after /, class: 'timeout' },
  { code: /:ImageNotFound$|:InvalidImage|:ImagePlatform/, class: 'user' },
  { text: /image not (available|found)|not found: manifest unknown/i, class: 'user' },
  { text: /executable file not found|memory limit exceeded/i, class: 'user' },
  { text: /invalid magic number|wasm (error|function)|unreachable|entry ?point/i, class: 'user' },
  { topic: 'Downloading Inputs', text: /\b(403|404)\b/, class: 'user' },
  { text: /allow-?list/i, class: 'user' },
];

/** @param event the first of a ComputeError; nodes of ours name class and code in its details */
export function failureOfError(event: Event | undefined): Failure {
  const details = event?.Details ?? {};
  const message = event?.Message || 'execution failed';
  const code = details.ErrorCode ?? '';
  const own = FAILURE_CLASSES.find((known) => known === details.class);
  const rule = RULES.find((rule) =>
    (rule.topic === undefined || rule.topic === event?.Topic) &&
    (rule.code === undefined || rule.code.test(code)) &&
    (rule.text === undefined || rule.text.test(message))
  );
  return { class: own ?? rule?.class ?? 'infrastructure', code, message, hint: details.Hint ?? '' };
}
