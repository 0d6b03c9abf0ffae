/** How a watched job's history is shown (cli.md 10.1): as a growing table, or as one row per execution. */
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';
import { EventTopic, type JobHistory } from '../mod/model/mod.ts';
import type { Context } from './context.ts';
import { eventText, isErrorEvent } from './job/event_text.ts';
import { paint } from './output/style.ts';
import { type Column, renderTable } from './output/table.ts';
import { clockTime } from './output/values.ts';

export interface EventPrinter {
  /** Events in the order they happened; often none. */
  add(entries: readonly JobHistory[]): void;
  /** After the last one. */
  end(): void;
}

export const NO_PRINTER: EventPrinter = { add: () => {}, end: () => {} };

const WIDTHS = [12, 10, 15];

function eventColumns(context: Context, terminal: boolean): readonly Column<JobHistory>[] {
  const colours = paint(context.env, terminal);
  const debug = context.env.DEBUG === 'true';
  return [
    { header: 'Time', value: (entry) => clockTime(entry.Event.Timestamp) },
    { header: 'Exec. ID', value: (entry) => entry.ExecutionID ?? '', limit: 'id' },
    { header: 'Topic', value: (entry) => entry.Event.Topic, limit: { softWrap: 15 } },
    {
      header: 'Event',
      value: (entry) => eventText(entry, colours, debug),
      styled: true,
      limit: { softWrap: 90 },
    },
  ];
}

/**
 * Shown are the first event, all of executions, why the job waits (which the original hides), and errors of the job
 * unless an execution told one before.
 * @param before called before anything is printed
 */
export function rowPrinter(context: Context, terminal: boolean, before: () => void): EventPrinter {
  const columns = eventColumns(context, terminal);
  let first = true;
  let executionFailed = false;
  const show = (entry: JobHistory) => {
    const ofJob = entry.Type === 'JobLevel';
    const tells = entry.Event.Topic === EventTopic.Queueing || (isErrorEvent(entry) && !executionFailed);
    if (!first && ofJob && !tells) return;
    if (!ofJob && isErrorEvent(entry)) executionFailed = true;
    before();
    context.printStyled(renderTable(columns, [entry], { hideHeader: !first, widths: WIDTHS }));
    first = false;
  };
  return { add: (entries) => entries.forEach(show), end: () => {} };
}

/**
 * `--group-events`: each execution with its latest event, in the order they were heard of, and the latest event of the
 * job. A terminal sees the table change in place; what is no terminal gets it once, at the end.
 */
export function groupPrinter(context: Context, terminal: boolean, before: () => void): EventPrinter {
  const columns = eventColumns(context, terminal);
  const executions = new Map<string, JobHistory>();
  let ofJob: JobHistory | undefined;
  let drawn = 0;
  const table = () =>
    renderTable(columns, [...executions.values(), ...(ofJob ? [ofJob] : [])], { widths: WIDTHS });
  return {
    add(entries) {
      if (entries.length === 0) return;
      for (const entry of entries) {
        if (entry.ExecutionID) executions.set(entry.ExecutionID, entry);
        else ofJob = entry;
      }
      if (!terminal) return;
      before();
      const text = table();
      context.printStyled(`${drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : ''}${text}`);
      drawn = screenLines(text, process.stdout.columns ?? 0);
    },
    end() {
      if (!terminal && (ofJob || executions.size > 0)) context.printStyled(table());
    },
  };
}

/** Lines that a text with a line break at its end takes on a screen of so many columns; 0 = it does not say. */
export function screenLines(text: string, columns: number): number {
  const lines = stripVTControlCharacters(text).split('\n').slice(0, -1);
  const width = columns || Infinity;
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil([...line].length / width)), 0);
}
