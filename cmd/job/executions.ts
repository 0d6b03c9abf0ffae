/** `bacalhau job executions JOB` */
import {
  COMPUTE_STATE_NAMES,
  DESIRED_STATE_NAMES,
  encodeExecution,
  type Execution,
} from '../../mod/model/mod.ts';
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
import type { Column } from '../output/table.ts';
import { dateTime } from '../output/values.ts';

const COLUMNS: readonly Column<Execution>[] = [
  { header: 'Created', value: (execution) => dateTime(execution.CreateTime), limit: 'time' },
  { header: 'Modified', value: (execution) => dateTime(execution.ModifyTime), limit: 'time' },
  { header: 'ID', value: (execution) => execution.ID, limit: 'id' },
  { header: 'Job Version', value: (execution) => String(execution.JobVersion) },
  { header: 'Node ID', value: (execution) => execution.NodeID, limit: 'id' },
  { header: 'Rev.', value: (execution) => String(execution.Revision) },
  {
    header: 'State',
    value: (execution) => COMPUTE_STATE_NAMES[execution.ComputeState.StateType] ?? '',
    limit: { wrap: 17 },
  },
  {
    header: 'Desired',
    value: (execution) => DESIRED_STATE_NAMES[execution.DesiredState.StateType] ?? '',
    limit: { wrap: 10 },
  },
];

export const command = defineCommand<ListOutput & ListFlags & VersionFlags>({
  configure: (command) => {
    command.argument('<job>', 'name or id');
    addVersionFlags(command, true);
    addPagingFlags(command, 20, ['created_at', 'modified_at']);
    addListFlags(command);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const { items } = await client.executions(job!, { ...versionOptions(options), ...listOptions(options) });
    await printList(context, options, COLUMNS, items, encodeExecution);
  },
});
