/** A decision log that also tells somebody, in a few sentences, what a program was not given and where it was slowed. */
import { DECISION_LOG, type DecisionEntry, type DecisionSink } from './decision_log.ts';

/** Sentences for one program: it may ask for a thousand hosts in a loop. */
const MOST = 6;
/** A transfer that waited so long for the rate limit is worth a word. */
const SLOW_MS = 1_000;

/** Takes a sentence for the person who wrote the job. */
export type Remark = (message: string, hint?: string) => void;

/** Writes to `log`, and calls `remark` for what is new: once for a host, port and reason, a few times in all. */
export function withRemarks(log: DecisionSink, remark: Remark): DecisionSink {
  const said = new Set<string>();
  const once = (key: string, message: string, hint?: string) => {
    if (said.has(key) || said.size > MOST) return;
    said.add(key);
    if (said.size <= MOST) remark(message, hint);
    else remark(`Network: more was refused; see ${DECISION_LOG} in the results`);
  };
  return {
    write(entry) {
      log.write(entry);
      if (entry.verdict === 'refused') {
        const { host, port, code, reason, hint } = entry;
        once(`${code} ${host} ${port}`, `Network: ${where(entry)} was refused: ${reason}`, hint);
      } else if ((entry.throttledMs ?? 0) >= SLOW_MS) {
        const seconds = ((entry.throttledMs ?? 0) / 1000).toFixed(1);
        once('slow', `Network: ${where(entry)} waited ${seconds} s for the rate limit of the execution`);
      }
    },
    close: () => log.close(),
  };
}

function where({ method, host, port }: DecisionEntry): string {
  return host === '' ? 'a request' : `${method} ${host.includes(':') ? `[${host}]` : host}:${port}`;
}
