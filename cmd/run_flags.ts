/** Flags of the commands that submit and watch a job (cli.md 9.6). */
import type { Command } from './command.ts';

export interface RunFlags {
  readonly wait: boolean;
  /** Seconds. */
  readonly waitTimeoutSecs: number;
  readonly idOnly: boolean;
  readonly nodeDetails: boolean;
  readonly follow: boolean;
  readonly groupEvents: boolean;
  readonly dryRun: boolean;
  readonly propagateExitCode: boolean;
}

export function addRunFlags(command: Command): void {
  command.option('--wait', 'watch the job until it ends', true)
    .count('--wait-timeout-secs <seconds>', 'watch at most so long', 600)
    .option('--id-only', 'print the id of the job and nothing else', false)
    .option('--node-details', 'print what each node gave', false)
    .option('-f, --follow', 'print the output of the job instead of its progress', false)
    .option('--group-events', 'show one row per execution, with its latest event', false)
    .option('--dry-run', 'print the job and do not submit it', false)
    .option('--propagate-exit-code', "end with the program's own exit code", false);
}
