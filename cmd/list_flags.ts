/** Paging and ordering flags of list commands, and those that name a job's version (cli.md section 6 and 11.7). */
import type { Command } from './command.ts';

export interface ListFlags {
  readonly limit: number;
  readonly nextToken?: string;
  readonly orderBy?: string;
  readonly orderReversed: boolean;
}

export function addPagingFlags(command: Command, limit: number, orders: readonly string[]): void {
  command.count('--limit <number>', 'at most so many, 0 = all', limit)
    .option('--next-token <token>', 'the page that a previous call named')
    .option('--order-reversed', 'the other way round', false);
  if (orders.length > 0) command.choice('--order-by <field>', 'order', orders);
}

export function listOptions({ limit, nextToken, orderBy, orderReversed }: ListFlags) {
  return {
    limit,
    reverse: orderReversed,
    ...(nextToken ? { nextToken } : {}),
    ...(orderBy ? { orderBy } : {}),
  };
}

export interface VersionFlags {
  readonly version?: number;
  readonly allVersions?: boolean;
  readonly namespace?: string;
}

export function addVersionFlags(command: Command, allVersions: boolean): void {
  command.count('-v, --version <number>', 'version of the job, 0 = the latest')
    .option('--namespace <name>', 'namespace to look a name up in');
  if (allVersions) command.option('--all-versions', 'all versions of the job', false);
}

export function versionOptions({ version, allVersions, namespace }: VersionFlags) {
  return {
    ...(version ? { version } : {}),
    ...(allVersions ? { allVersions } : {}),
    ...(namespace ? { namespace } : {}),
  };
}
