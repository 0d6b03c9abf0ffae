/** `bacalhau job describe JOB`: a page for people (cli.md 11.7), or the whole answer as JSON or YAML. */
import process from 'node:process';
import type { JobAnswer } from '../../mod/api/client/mod.ts';
import {
  COMPUTE_STATE_NAMES,
  DESIRED_STATE_NAMES,
  encodeExecution,
  encodeJob,
  type Execution,
  type Job,
  type JobHistory,
  jobHistoryCodec,
  shortId,
} from '../../mod/model/mod.ts';
import { printable } from '../../runtime/printable.ts';
import { defineCommand } from '../command.ts';
import { addVersionFlags, type VersionFlags, versionOptions } from '../list_flags.ts';
import { addObjectFlags, type ObjectOutput, printObject } from '../output/format.ts';
import { type Paint, paint } from '../output/style.ts';
import { type Column, renderTable } from '../output/table.ts';
import { dateTime, elapsed, eventTime } from '../output/values.ts';
import { eventText } from './event_text.ts';

export const command = defineCommand<ObjectOutput & VersionFlags>({
  configure: (command) => {
    command.argument('<job>', 'name or id');
    addVersionFlags(command, false);
    addObjectFlags(command);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const answer = await client.getJob(job!, {
      ...versionOptions(options),
      include: ['executions', 'history'],
    });
    if (options.output) {
      const list = (items: readonly object[]) => ({ NextToken: '', Items: items });
      return await printObject(context, options, {
        Job: encodeJob(answer.job),
        History: list((answer.history ?? []).map(jobHistoryCodec.encode)),
        Executions: list((answer.executions ?? []).map(encodeExecution)),
      });
    }
    const colours = paint(context.env, Boolean(process.stdout.isTTY));
    context.printStyled(describe(answer, colours, context.env.DEBUG === 'true'));
  },
});

function describe({ job, history = [], executions = [] }: JobAnswer, colours: Paint, debug: boolean): string {
  const section = (title: string, body: string) => `${colours.bold(printable(title))}\n${body}`;
  const newest = executions.toSorted((a, b) => (a.CreateTime > b.CreateTime ? -1 : 1));
  const events = (entries: readonly JobHistory[]) => renderTable(eventColumns(colours, debug), entries);
  const ofJob = history.filter((entry) => entry.Type === 'JobLevel');
  const output = standardOutput(newest);
  return [
    header(job),
    section('Summary', summary(executions)),
    ...(ofJob.length > 0 ? [section('Job History', events(ofJob))] : []),
    section('Executions', renderTable(EXECUTIONS, newest)),
    ...newest.map(({ ID }) => ({ ID, entries: history.filter((entry) => entry.ExecutionID === ID) }))
      .filter(({ entries }) => entries.length > 0)
      .map(({ ID, entries }) => section(`Execution ${shortId(ID)} History`, events(entries))),
    ...(output ? [section('Standard Output', output)] : []),
  ].join('\n');
}

function header(job: Job): string {
  const counted = job.Type === 'batch' || job.Type === 'service';
  const lines = [
    ['ID', job.ID],
    ['Name', job.Name],
    ['Namespace', job.Namespace],
    ['Type', job.Type],
    ['State', job.State.StateType],
    ['Message', job.State.Message ?? ''],
    ['Count', counted ? String(job.Count) : ''],
    ['Created Time', dateTime(job.CreateTime)],
    ['Modified Time', dateTime(job.ModifyTime)],
    ['Version', String(job.Version)],
  ].filter(([, value]) => value !== '');
  const width = Math.max(...lines.map(([key]) => key!.length));
  return lines.map(([key, value]) => `${key!.padEnd(width)} = ${printable(value!)}\n`).join('');
}

function summary(executions: readonly Execution[]): string {
  return COMPUTE_STATE_NAMES.map((name, state) => {
    const count = executions.filter(({ ComputeState }) => ComputeState.StateType === state).length;
    return count > 0 ? `${name} = ${count}\n` : '';
  }).join('');
}

function eventColumns(colours: Paint, debug: boolean): readonly Column<JobHistory>[] {
  return [
    { header: 'Time', value: (entry) => eventTime(entry.Event.Timestamp) },
    { header: 'Topic', value: (entry) => entry.Event.Topic, limit: { softWrap: 15 } },
    {
      header: 'Event',
      value: (entry) => eventText(entry, colours, debug),
      styled: true,
      limit: { softWrap: 90 },
    },
  ];
}

const EXECUTIONS: readonly Column<Execution>[] = [
  { header: 'ID', value: (execution) => execution.ID, limit: 'id' },
  { header: 'Node ID', value: (execution) => execution.NodeID, limit: 'id' },
  { header: 'State', value: (execution) => COMPUTE_STATE_NAMES[execution.ComputeState.StateType] ?? '' },
  { header: 'Desired', value: (execution) => DESIRED_STATE_NAMES[execution.DesiredState.StateType] ?? '' },
  { header: 'Rev.', value: (execution) => String(execution.Revision) },
  { header: 'Created', value: (execution) => elapsed(execution.CreateTime) },
  { header: 'Modified', value: (execution) => elapsed(execution.ModifyTime) },
  { header: 'Comment', value: (execution) => execution.ComputeState.Message ?? '', limit: { softWrap: 40 } },
];

function standardOutput(executions: readonly Execution[]): string {
  const printed = executions.map(({ ID, RunOutput }) => {
    const text = `${RunOutput?.Stdout ?? ''}${RunOutput?.stderr ?? ''}`;
    const cut = RunOutput?.StdoutTruncated || RunOutput?.StderrTruncated;
    return {
      ID,
      text: cut ? `${text.trimEnd()}\n...\nThe output is cut: "bacalhau job logs" has all of it.\n` : text,
    };
  }).filter(({ text }) => text !== '');
  const ending = (text: string) => printable(text.endsWith('\n') ? text : `${text}\n`);
  if (printed.length === 1) return ending(printed[0]!.text);
  return printed.map(({ ID, text }) => `Execution ${printable(shortId(ID))}:\n${ending(text)}`).join('\n');
}
