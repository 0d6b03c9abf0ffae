/** `bacalhau job versions JOB` */
import { encodeJob, type Job } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addListFlags, type ListOutput, printList } from '../output/format.ts';
import type { Column } from '../output/table.ts';
import { dateTime } from '../output/values.ts';

interface Options extends ListOutput {
  readonly namespace?: string;
}

const COLUMNS: readonly Column<Job>[] = [
  { header: 'Created At', value: (job) => dateTime(job.CreateTime), limit: { wrap: 30 } },
  { header: 'Job Version', value: (job) => String(job.Version) },
];

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id').option('--namespace <name>', 'namespace to look a name up in');
    addListFlags(command);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const { items } = await client.versions(job!, options.namespace ? { namespace: options.namespace } : {});
    await printList(context, options, COLUMNS, items, encodeJob);
  },
});
