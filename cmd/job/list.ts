/** `bacalhau job list` */
import { encodeJob, type Job } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addPagingFlags, type ListFlags, listOptions } from '../list_flags.ts';
import { addListFlags, type ListOutput, printList } from '../output/format.ts';
import type { Column } from '../output/table.ts';
import { dateTime } from '../output/values.ts';

interface Options extends ListOutput, ListFlags {
  readonly labels: string;
}

const COLUMNS: readonly Column<Job>[] = [
  { header: 'created', value: (job) => dateTime(job.CreateTime), limit: 'time' },
  { header: 'id', value: (job) => job.ID, limit: 'id' },
  { header: 'name', value: (job) => job.Name, limit: { wrap: 40 } },
  { header: 'job', value: (job) => job.Tasks[0]?.Engine?.Type ?? '', limit: { wrap: 40 } },
  { header: 'type', value: (job) => job.Type, limit: { wrap: 8 } },
  { header: 'state', value: (job) => job.State.StateType, limit: { wrap: 20 } },
];

export const command = defineCommand<Options>({
  configure: (command) => {
    command.option('--labels <selector>', 'only jobs whose labels match', 'bacalhau_canary != true');
    addPagingFlags(command, 10, ['id', 'created_at', 'modified_at']);
    addListFlags(command);
  },
  run: async (_args, options, context) => {
    const client = await context.client();
    const labels = options.labels ? [options.labels] : [];
    const { items, nextToken } = await client.listJobs({ ...listOptions(options), labels });
    await printList(context, options, COLUMNS, items, encodeJob);
    // Below other formats the hint would spoil them for programs.
    if (nextToken && options.output === 'table') {
      context.print(
        `\nTo fetch the next page run:\n\tbacalhau job list --limit ${options.limit} --next-token ${nextToken}\n`,
      );
    }
  },
});
