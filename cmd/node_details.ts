/** `--node-details`: what the runs of a job said, equal messages once with their number (cli.md 10.2). */
import { type Execution, shortId } from '../mod/model/mod.ts';
import type { Context } from './context.ts';

function messageOf({ RunOutput, ComputeState }: Execution): string {
  if (RunOutput?.ErrorMsg) return RunOutput.ErrorMsg;
  if ((RunOutput?.ExitCode ?? 0) > 0 && RunOutput?.stderr) return RunOutput.stderr;
  return RunOutput?.Stdout || ComputeState.Message || '';
}

export function nodeDetails(context: Context, executions: readonly Execution[]): void {
  context.print('\nJob Results By Node:\n');
  const byMessage = Map.groupBy(executions, messageOf);
  for (const [message, runs] of byMessage) {
    const nodes = new Set(runs.map((run) => run.NodeID));
    const where = runs.length === 1
      ? `Node ${shortId(runs[0]!.NodeID)}`
      : `${runs.length} runs on ${nodes.size} nodes`;
    context.complain(`• ${where}: ${message.trimEnd().replaceAll('\n', '\n    ')}\n`);
  }
}
