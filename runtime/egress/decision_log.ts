/**
 * What an execution asked for and what became of it: one line of JSON per request or tunnel, written at its end. The file
 * is capped, so a program that asks in a loop fills no disk; the last line then says that more was left out.
 */
import { closeSync, constants, fstatSync, readSync, writeSync } from 'node:fs';
import { openNow } from '../files/mod.ts';

/** Name of the file in the directory of a run. */
export const DECISION_LOG = 'network-decisions.jsonl';

/** One request or tunnel of a program, and what became of it. */
export interface DecisionEntry {
  /** ISO 8601, of the request. */
  readonly time: string;
  /** `failed`: allowed, but the host could not be reached. */
  readonly verdict: 'allowed' | 'refused' | 'failed';
  /** `CONNECT` for tunnels. */
  readonly method: string;
  readonly host: string;
  readonly port: number;
  /** The one connected to, or the one that was the reason of a refusal. */
  readonly address?: string;
  /** The entry of the list that decided, as written. */
  readonly rule?: string;
  /** Code and sentence of a refusal or failure. */
  readonly code?: string;
  readonly reason?: string;
  /** What to change, for the person who wrote the job. */
  readonly hint?: string;
  /** HTTP status of the answer; absent for tunnels. */
  readonly status?: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** How long bytes waited for the rate limit, both directions together; absent when none did. */
  readonly throttledMs?: number;
}

/** Takes entries in the order in which their requests ended. */
export interface DecisionSink {
  write(entry: DecisionEntry): void;
  close(): void;
}

const FULL =
  '{"verdict":"truncated","reason":"the decision log is full; later decisions are not recorded"}\n';

/**
 * Appends to a file, which is made when it does not exist (readable by its owner only).
 * @param limit bytes, the closing mark included
 */
export function openDecisionLog(path: string, limit = 4 << 20): DecisionSink {
  const file = openNow(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  let size = endsFull(file) ? limit : fstatSync(file).size;
  let open = true;
  return {
    write(entry) {
      if (!open || size >= limit) return;
      const line = `${JSON.stringify(entry)}\n`;
      const bytes = Buffer.byteLength(line);
      const fits = size + bytes + FULL.length <= limit;
      writeSync(file, fits ? line : FULL);
      size = fits ? size + bytes : limit;
    },
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}

/** Whether an earlier node of this execution has closed the log already. */
function endsFull(file: number): boolean {
  const { size } = fstatSync(file);
  const tail = Buffer.alloc(FULL.length);
  if (size >= tail.length) readSync(file, tail, 0, tail.length, size - tail.length);
  return tail.toString() === FULL;
}
