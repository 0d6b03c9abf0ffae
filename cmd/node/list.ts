/** `bacalhau node list` */
import { encodeNodeState, type NodeState, type Resources } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addPagingFlags, type ListFlags, listOptions } from '../list_flags.ts';
import { addListFlags, type ListOutput, printList } from '../output/format.ts';
import type { Column } from '../output/table.ts';
import { bytes } from '../output/values.ts';

interface Options extends ListOutput, ListFlags {
  readonly show: readonly string[];
  readonly labels?: string;
  readonly filterApproval?: string;
  readonly filterStatus?: string;
}

const ALWAYS: readonly Column<NodeState>[] = [
  { header: 'id', value: (node) => node.Info.NodeID, limit: 'id' },
  { header: 'type', value: (node) => node.Info.NodeType },
  { header: 'approval', value: (node) => node.Membership },
  { header: 'status', value: (node) => node.Connection },
];

const isCompute = ({ Info }: NodeState) => Info.NodeType === 'Compute';

function names(
  header: string,
  list: (node: NodeState) => readonly string[] | null,
  wide: boolean,
): Column<NodeState> {
  return { header, value: (node) => isCompute(node) ? (list(node) ?? []).join(wide ? ' ' : '\n') : '' };
}

function amounts(
  header: string,
  key: keyof Omit<Resources, 'GPUs'>,
  show: (amount: number) => string,
  wide: boolean,
): Column<NodeState> {
  return {
    header,
    value: (node) => {
      if (!isCompute(node)) return '';
      const { AvailableCapacity, MaxCapacity } = node.Info.ComputeNodeInfo;
      return `${show(AvailableCapacity[key] ?? 0)} /${wide ? ' ' : '\n'}${show(MaxCapacity[key] ?? 0)}`;
    },
  };
}

function groups(wide: boolean): Readonly<Record<string, readonly Column<NodeState>[]>> {
  const labels = (node: NodeState) =>
    Object.entries(node.Info.Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) =>
      `${key}=${value}`
    );
  return {
    labels: [{ header: 'labels', value: (node) => labels(node).join(' '), limit: { softWrap: 50 } }],
    version: [
      { header: 'version', value: (node) => node.Info.BacalhauVersion.GitVersion },
      { header: 'architecture', value: (node) => node.Info.BacalhauVersion.GOARCH },
      { header: 'os', value: (node) => node.Info.BacalhauVersion.GOOS },
    ],
    features: [
      names('engines', (node) => node.Info.ComputeNodeInfo.ExecutionEngines, wide),
      names('inputs from', (node) => node.Info.ComputeNodeInfo.StorageSources, wide),
      names('outputs', (node) => node.Info.ComputeNodeInfo.Publishers, wide),
    ],
    capacity: [
      amounts('cpu', 'CPU', (cores) => cores.toFixed(1), wide),
      amounts('memory', 'Memory', bytes, wide),
      amounts('disk', 'Disk', bytes, wide),
      amounts('gpu', 'GPU', String, wide),
    ],
  };
}

const ORDERS = [
  'id',
  'type',
  'available_cpu',
  'available_memory',
  'available_disk',
  'available_gpu',
  'status',
];

export const command = defineCommand<Options>({
  configure: (command) => {
    command.repeatable('--show <group>', 'columns to show: labels, version, features, capacity')
      .option('--labels <selector>', 'only nodes whose labels match')
      .choice('--filter-approval <status>', 'only nodes with this approval', [
        'approved',
        'pending',
        'rejected',
      ])
      .choice('--filter-status <status>', 'only nodes with this connection', ['connected', 'disconnected']);
    addPagingFlags(command, 0, ORDERS);
    addListFlags(command);
  },
  run: async (_args, options, context) => {
    const nodes = await (await context.client()).listNodes({
      ...listOptions(options),
      ...(options.labels ? { labels: [options.labels] } : {}),
      ...(options.filterApproval ? { approval: options.filterApproval } : {}),
      ...(options.filterStatus ? { status: options.filterStatus } : {}),
    });
    const wanted = options.show.length > 0
      ? options.show.flatMap((each) => each.split(','))
      : ['labels', 'capacity'];
    // Widths are a matter of tables: a cell of CSV is one line.
    const known = groups(options.wide || options.output === 'csv');
    const shown = wanted.flatMap((name) => Object.hasOwn(known, name) ? known[name]! : []);
    await printList(context, options, [...ALWAYS, ...shown], nodes, encodeNodeState);
  },
});
