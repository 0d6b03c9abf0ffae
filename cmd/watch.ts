/** Shows what happens to a job until it ends (cli.md 10.1): its history as a growing table. */
import process from 'node:process';
import type { ApiClient, JobAnswer } from '../mod/api/client/mod.ts';
import { BacalhauError, EventTopic, type JobHistory, type JobType } from '../mod/model/mod.ts';
import type { Context } from './context.ts';
import { pause } from './interrupt.ts';
import { eventText, isErrorEvent } from './job/event_text.ts';
import { paint } from './output/style.ts';
import { type Column, renderTable } from './output/table.ts';
import { clockTime } from './output/values.ts';
import { startSpinner } from './spinner.ts';

/** `ended`: nothing more will happen. `late`: the time to watch is over. `interrupted`: the user left. */
export type End = 'ended' | 'late' | 'interrupted';

export interface WatchOptions {
  readonly quiet: boolean;
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
const WIDTHS = [12, 10, 15];

export async function watch(
  context: Context,
  client: ApiClient,
  jobId: string,
  { quiet, type, signal, user }: WatchOptions,
): Promise<End> {
  const terminal = Boolean(process.stdout.isTTY);
  const spinner = quiet || !terminal ? undefined : startSpinner((text) => context.print(text));
  const show = quiet ? () => {} : rowPrinter(context, terminal, () => spinner?.clear());
  try {
    let token = '';
    for (let wait = FIRST_WAIT;; wait = Math.min(wait * 2, LAST_WAIT)) {
      const page = await client.history(jobId, { eventType: 'all', limit: PAGE, nextToken: token, signal });
      page.items.forEach(show);
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
  }
}

/**
 * Shown are the first event, all of executions, why the job waits (which the original hides), and errors of the job
 * unless an execution told one before.
 */
function rowPrinter(context: Context, terminal: boolean, before: () => void): (entry: JobHistory) => void {
  const colours = paint(context.env, terminal);
  const debug = context.env.DEBUG === 'true';
  const columns: readonly Column<JobHistory>[] = [
    { header: 'Time', value: (entry) => clockTime(entry.Event.Timestamp) },
    { header: 'Exec. ID', value: (entry) => entry.ExecutionID ?? '', limit: 'id' },
    { header: 'Topic', value: (entry) => entry.Event.Topic, limit: { softWrap: 15 } },
    { header: 'Event', value: (entry) => eventText(entry, colours, debug), limit: { softWrap: 90 } },
  ];
  let first = true;
  let executionFailed = false;
  return (entry) => {
    const ofJob = entry.Type === 'JobLevel';
    const tells = entry.Event.Topic === EventTopic.Queueing || (isErrorEvent(entry) && !executionFailed);
    if (!first && ofJob && !tells) return;
    if (!ofJob && isErrorEvent(entry)) executionFailed = true;
    before();
    context.print(renderTable(columns, [entry], { hideHeader: !first, widths: WIDTHS }));
    first = false;
  };
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
