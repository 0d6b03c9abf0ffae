/** `bacalhau job history JOB` */
import { type JobHistory, jobHistoryCodec } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import {
  addPagingFlags,
  addVersionFlags,
  type ListFlags,
  listOptions,
  type VersionFlags,
  versionOptions,
} from '../list_flags.ts';
import { addListFlags, type ListOutput, printList } from '../output/format.ts';
import { paint } from '../output/style.ts';
import type { Column } from '../output/table.ts';
import { eventTime } from '../output/values.ts';
import { eventText } from './event_text.ts';

interface Options extends ListOutput, ListFlags, VersionFlags {
  readonly eventType: string;
  readonly executionId?: string;
}

// Colours inside cells would break widths and CSV.
const PLAIN = paint({}, false);

function columns(debug: boolean): readonly Column<JobHistory>[] {
  return [
    { header: 'Time', value: (entry) => eventTime(entry.Event.Timestamp), limit: { wrap: 20 } },
    { header: 'Level', value: (entry) => entry.Type },
    { header: 'Job Version', value: (entry) => String(entry.JobVersion) },
    { header: 'Exec. ID', value: (entry) => entry.ExecutionID ?? '', limit: 'id' },
    { header: 'Topic', value: (entry) => entry.Event.Topic, limit: { softWrap: 15 } },
    { header: 'Event', value: (entry) => eventText(entry, PLAIN, debug), limit: { softWrap: 90 } },
  ];
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id')
      .choice('--event-type <type>', 'only events of this level', ['all', 'job', 'execution'], 'all')
      .option('--execution-id <id>', 'only events of executions whose id begins so');
    addVersionFlags(command, true);
    addPagingFlags(command, 0, []);
    command.option('--order-by <field>', 'accepted and ignored: events come in the order they happened');
    addListFlags(command);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const { items } = await client.history(job!, {
      ...versionOptions(options),
      ...listOptions(options),
      eventType: options.eventType,
      ...(options.executionId ? { executionId: options.executionId } : {}),
    });
    await printList(context, options, columns(context.env.DEBUG === 'true'), items, jobHistoryCodec.encode);
  },
});
