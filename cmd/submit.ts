/** Submits a job and stays with it as the flags say (cli.md section 10); shared by `job run`, `docker run` and `wasm run`. */
import process from 'node:process';
import { type ApiClient, type JobAnswer } from '../mod/api/client/mod.ts';
import { compatibility, ComputeState, encodeJob, type Job } from '../mod/model/mod.ts';
import { printable } from '../runtime/printable.ts';
import type { Context } from './context.ts';
import { interruptible, limited, pause } from './interrupt.ts';
import { nodeDetails } from './node_details.ts';
import { renderError } from './output/error.ts';
import { sortedKeys } from './output/format.ts';
import { paint } from './output/style.ts';
import type { RunFlags } from './run_flags.ts';
import { type End, failureOf, watch } from './watch.ts';

/** States of executions that no node took. */
const NEVER_RAN: readonly ComputeState[] = [
  ComputeState.AskForBid,
  ComputeState.AskForBidRejected,
  ComputeState.BidRejected,
];

export interface SubmitOptions {
  readonly force?: boolean;
  readonly hideWarnings?: boolean;
}

/**
 * The job as the original's dry run prints it (cli.md 9.8), without what the system sets: so the text can be submitted.
 */
export async function printJob(context: Context, job: Job): Promise<void> {
  const { writeYaml } = await import('../runtime/yaml.ts');
  const system = ['ID', 'State', 'Version', 'Revision', 'CreateTime', 'ModifyTime'];
  const members = Object.entries(encodeJob(job)).filter(([key]) => !system.includes(key));
  const { Meta, Constraints } = job;
  context.print(
    await writeYaml(sortedKeys({
      ...Object.fromEntries(members),
      ...(Object.keys(Meta).length === 0 ? { Meta: null } : {}),
      ...(Constraints.length === 0 ? { Constraints: null } : {}),
    })),
  );
}

/** @returns the exit code */
export async function submitAndWatch(
  context: Context,
  job: Job,
  flags: RunFlags,
  options: SubmitOptions = {},
): Promise<number> {
  const client = await context.client();
  const { jobId, warnings } = await client.submit(encodeJob(job), { force: options.force ?? false });
  const { yellow } = paint(context.env, Boolean(process.stderr.isTTY));
  if (!flags.idOnly && !options.hideWarnings) warnings.forEach(warn);
  if (flags.idOnly || !flags.wait) context.print(`${jobId}\n`);
  if (!flags.wait) return 0;

  const end = await interruptible((signal) =>
    limited(flags.waitTimeoutSecs * 1000, signal, async (limit) => {
      if (flags.follow) return await follow(context, client, jobId, flags.idOnly, limit, signal);
      if (!flags.idOnly) announce(context, jobId, 'Checking its status');
      return await watch(context, client, jobId, {
        quiet: flags.idOnly,
        grouped: flags.groupEvents,
        type: job.Type,
        signal: limit,
        user: signal,
      });
    })
  );
  return await report(end);

  function warn(text: string): void {
    context.complainStyled(`${yellow('Warning: ')}${printable(text)}\n`);
  }

  async function report(end: End): Promise<number> {
    if (end === 'interrupted' || end === 'late') {
      const why = end === 'late' ? `not ended after ${flags.waitTimeoutSecs} s` : 'no longer watched';
      context.complainStyled(`\n${yellow('Warning: ')}the job is ${why}, it goes on running\n`);
    }
    const answer = await client.getJob(jobId, { include: ['executions', 'history'] });
    if (flags.nodeDetails) nodeDetails(context, answer.executions ?? []);
    const failed = answer.job.State.StateType === 'Failed';
    if (failed) {
      context.complainStyled(renderError(failureOf(answer), context.env, Boolean(process.stderr.isTTY)));
    }
    if (!flags.idOnly && !flags.follow) hints(context, answer.job);
    if (flags.propagateExitCode) return programExitCode(answer) || (failed ? 1 : 0);
    const { compatibility: version } = await context.settings();
    return failed && compatibility(version).clientReportsFailure ? 1 : 0;
  }
}

function announce(context: Context, jobId: string, what: string): void {
  context.print(`Job successfully submitted. Job ID: ${jobId}\n`);
  context.print(`${what} (Ctrl-C leaves the job running).\n\n`);
}

/** Prints the output while it comes; afterwards the job's own end is awaited, since it says whether all went well. */
async function follow(
  context: Context,
  client: ApiClient,
  jobId: string,
  quiet: boolean,
  limit: AbortSignal,
  user: AbortSignal,
): Promise<End> {
  if (!quiet) announce(context, jobId, 'Waiting for its output');
  const waiting = ['Pending', 'Queued'];
  let state: string = 'Pending';
  let version = 0;
  for (let wait = 20; waiting.includes(state) && !limit.aborted; wait = Math.min(wait * 1.25, 500)) {
    ({ State: { StateType: state }, Version: version } = (await client.getJob(jobId)).job);
    if (waiting.includes(state)) await pause(wait, limit);
  }
  const runs = state === 'Running' || state === 'Completed';
  if (runs || (!waiting.includes(state) && await hasRun(client, jobId))) {
    for await (const { text } of client.logs(jobId, { version, follow: true }, limit)) {
      await context.write(text);
    }
  }
  return await watch(context, client, jobId, { quiet: true, type: 'batch', signal: limit, user });
}

/** Whether a node took the job: a quick program may have failed before it was looked at first. */
async function hasRun(client: ApiClient, jobId: string): Promise<boolean> {
  const { executions = [] } = await client.getJob(jobId, { include: ['executions'] });
  return executions.some(({ ComputeState }) => !NEVER_RAN.includes(ComputeState.StateType));
}

/** Of the execution that ended last with one; 0 where none failed by its exit code. */
function programExitCode({ executions }: JobAnswer): number {
  const ended = (executions ?? []).filter((execution) => (execution.RunOutput?.ExitCode ?? 0) !== 0);
  const last = ended.toSorted((a, b) => (a.ModifyTime < b.ModifyTime ? -1 : 1)).at(-1);
  // A shell keeps the low eight bits; a code that would become 0 there must not look like success.
  const code = last?.RunOutput?.ExitCode ?? 0;
  return code !== 0 && (code & 255) === 0 ? 1 : code & 255;
}

function hints(context: Context, job: Job): void {
  const lines = [
    ['To get more details about the run', 'describe'],
    ['To get more details about the run executions', 'executions'],
    ...(job.Tasks[0]?.Publisher?.Type ? [['To download the results', 'get']] : []),
  ];
  for (const [caption, command] of lines) {
    context.print(`\n${caption}, execute:\n\tbacalhau job ${command} ${job.ID}\n`);
  }
}
