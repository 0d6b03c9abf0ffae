/** The ids of a payload, checked by form when it is decoded: afterwards they are made into paths, subjects and names. */
import { isId } from '../../model/mod.ts';

/** Keys of ids, at whatever depth they are looked for below. */
const NEEDED = ['ExecutionID', 'NodeID'] as const;
const OPTIONAL = ['JobID', 'InstallID', 'BootID', 'EvalID', 'PreviousExecution', 'NextExecution'] as const;

type Fields = Readonly<Record<string, unknown>>;

/** @throws RangeError that names the key of an id that is none */
export function checkIds(payload: object): void {
  const { Execution, NodeInfo, Executions } = payload as Fields;
  check(payload as Fields);
  if (NodeInfo) check(NodeInfo as Fields);
  for (const entry of (Executions ?? []) as readonly Fields[]) check(entry);
  if (!Execution) return;
  const { ID, JobID, Job } = Execution as Fields;
  check(Execution as Fields);
  demand('Execution.ID', ID);
  demand('JobID', JobID);
  if (Job) demand('Job.ID', (Job as Fields).ID);
}

function check(fields: Fields): void {
  for (const key of NEEDED) if (key in fields) demand(key, fields[key]);
  for (const key of OPTIONAL) if (fields[key]) demand(key, fields[key]);
}

function demand(key: string, value: unknown): void {
  if (isId(value as string)) return;
  throw new RangeError(
    `${key} is no id: letters, digits, "-", "_", "=" and single dots, at most 255, are allowed`,
  );
}
