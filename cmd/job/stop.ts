/** `bacalhau job stop JOB` */
import { BacalhauError, isTerminalJob } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';

interface Options {
  readonly quiet: boolean;
  readonly namespace?: string;
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id')
      .option('--quiet', 'print nothing', false)
      .option('--namespace <name>', 'namespace to look a name up in');
  },
  run: async ([ref], options, context) => {
    const say = (text: string) => options.quiet ? undefined : context.print(text);
    const where = options.namespace ? { namespace: options.namespace } : {};
    const client = await context.client();
    say('Checking job status\n\n');
    const step = async <T>(caption: string, work: Promise<T>): Promise<T> => {
      const begin = performance.now();
      const ended = (status: string) =>
        say(
          `\t${caption.padStart(19)}  ................  ${status} ${
            ((performance.now() - begin) / 1000).toFixed(1)
          }s\n`,
        );
      try {
        const result = await work;
        ended('done ✅');
        return result;
      } catch (error) {
        ended('err  ❌');
        throw error;
      }
    };
    const { job } = await step('Verifying job state', client.getJob(ref!, where));
    const state = job.State.StateType;
    if (isTerminalJob(state)) {
      throw new BacalhauError(
        'ConflictJobState',
        `Cannot stop job "${ref}": it is already in a terminal state: ${state}`,
        {
          hint: `Run "bacalhau job describe ${job.ID}" to see how it ended.`,
        },
      );
    }
    const reason = 'Stopped at user request';
    const evaluation = await step('Stopping job', client.stopJob(job.ID, { ...where, reason }));
    say(`\nJob stop successfully submitted with evaluation ID: ${evaluation}\n`);
  },
});
