/** Shows what happens to a job until it ends (cli.md 10.1): its history as a table. */
import process from 'node:process';
import type { ApiClient, JobAnswer } from '../mod/api/client/mod.ts';
import { BacalhauError, type JobType } from '../mod/model/mod.ts';
import type { Context } from './context.ts';
import { pause } from './interrupt.ts';
import { groupPrinter, NO_PRINTER, rowPrinter } from './event_printer.ts';
import { isErrorEvent } from './job/event_text.ts';
import { startSpinner } from './spinner.ts';

/** `ended`: nothing more will happen. `late`: the time to watch is over. `interrupted`: the user left. */
export type End = 'ended' | 'late' | 'interrupted';

export interface WatchOptions {
  readonly quiet: boolean;
  /** One row per execution. */
  readonly grouped?: boolean;
  readonly type: JobType;
  /** Fires on Ctrl-C and when the time is over. */
  readonly signal: AbortSignal;
  /** Fires on Ctrl-C only. */
  readonly user: AbortSignal;
}

const PAGE = 10;
/** Milliseconds between looks: quick at first, since most jobs here take a moment. */
const FIRST_WAIT = 20;
const LAST_WAIT = 500;
/** Keeps the delay of what is seen below a fifth of the time that was waited. */
const GROWTH = 1.25;

export async function watch(
  context: Context,
  client: ApiClient,
  jobId: string,
  { quiet, grouped = false, type, signal, user }: WatchOptions,
): Promise<End> {
  const terminal = Boolean(process.stdout.isTTY);
  const spinner = quiet || !terminal ? undefined : startSpinner((text) => context.printStyled(text));
  const printer = quiet
    ? NO_PRINTER
    : (grouped ? groupPrinter : rowPrinter)(context, terminal, () => spinner?.clear());
  try {
    let token = '';
    for (let wait = FIRST_WAIT;; wait = Math.min(wait * GROWTH, LAST_WAIT)) {
      const page = await client.history(jobId, { eventType: 'all', limit: PAGE, nextToken: token, signal });
      printer.add(page.items);
      if (page.nextToken === '') return 'ended';
      // Work without an end: once it runs there is nothing to wait for.
      const endless = type === 'service' || type === 'daemon';
      if (endless && page.items.some((entry) => entry.Type === 'ExecutionLevel')) return 'ended';
      token = page.nextToken;
      if (page.items.length > 0) wait = FIRST_WAIT;
      if (page.items.length < PAGE) await pause(wait, signal);
      if (signal.aborted) return user.aborted ? 'interrupted' : 'late';
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return user.aborted ? 'interrupted' : 'late';
  } finally {
    spinner?.stop();
    printer.end();
  }
}

/** Why the job failed, in its own words, with the hint of the last error. */
export function failureOf({ job, history }: JobAnswer): BacalhauError {
  const errors = (history ?? []).filter(isErrorEvent);
  const last = errors.findLast((entry) => entry.Type === 'ExecutionLevel') ?? errors.at(-1);
  const said = [job.State.Message, last?.Event.Message].filter((text): text is string => Boolean(text));
  // The state usually repeats the error; both only where they differ.
  const why = said.length === 2 && said[0]!.includes(said[1]!) ? said[0]! : [...new Set(said)].join(': ');
  return new BacalhauError('JobFailed', `job failed${why ? `: ${why}` : ''}`, {
    hint: last?.Event.Details?.Hint || `Run "bacalhau job describe ${job.ID}" to see what happened.`,
  });
}
