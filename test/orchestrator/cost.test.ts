/** What a step costs does not grow with what else there is: statements and rows are counted, no time is measured. */
import { StatementSync } from 'node:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { makeInfo } from '../schedule/model.ts';
import { Inside } from './inside.ts';
import { spec } from './rig.ts';

afterEach(() => void vi.restoreAllMocks());

/** Statements that `work` runs, each with the number of rows that it answers. */
async function counted(work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  const { all, run } = StatementSync.prototype;
  const note = (statement: StatementSync, rows: number) =>
    void seen.push(`${statement.sourceSQL.replaceAll(/\s+/g, ' ').slice(0, 60)} → ${rows}`);
  vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
    const rows = Reflect.apply(all, this, values) as Record<string, never>[];
    note(this, rows.length);
    return rows;
  });
  vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
    note(this, 0);
    return Reflect.apply(run, this, values);
  });
  await work();
  vi.restoreAllMocks();
  return seen.sort();
}

interface Size {
  readonly nodes: number;
  readonly executions: number;
  readonly waiting: number;
  readonly stored: number;
}

async function steps(size: Size): Promise<Record<string, string[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'cost-'));
  try {
    await using inside = await Inside.open(join(folder, 'orchestrator.db'));
    const capacity = { CPU: 1000, Memory: 1e12, GPU: 1 };
    await inside.join(Array.from({ length: size.nodes }, (_, i) => makeInfo(`n-${i}`, capacity)));
    const large = (GPU: string) => spec({ Priority: 1 }, { Resources: { CPU: '1', Memory: '1Mb', GPU } });
    // One holds the GPU of each node; the others wait for one.
    const hog = await inside.submit({ ...large('1'), Count: size.nodes });
    await inside.quiet();
    for (let i = 0; i < size.waiting; i++) await inside.submit(large('1'));
    const step = async (jobId: string, accepted: boolean) => {
      const [first] = await inside.live(jobId, 1000);
      await inside.bid(first!.nodeId, first!.id, accepted);
      return first!;
    };
    for (let i = 0; i < size.stored; i++) {
      const { id, nodeId } = await step(await inside.submit(spec()), true);
      await inside.ended(nodeId, id);
    }
    const many = await inside.submit(spec({ Count: size.executions }));
    await inside.quiet();
    // What is read once and then followed has been read.
    await step(many, false);
    await inside.quiet();

    const [asked] = await inside.live(many, 1000);
    const found: Record<string, string[]> = {};
    found.submit = await counted(() => inside.submit(spec({ Name: 'next' })));
    found.accepted = await counted(() => inside.bid(asked!.nodeId, asked!.id, true));
    found.ended = await counted(() => inside.ended(asked!.nodeId, asked!.id));
    const [other] = await inside.live(many, 1000);
    found.refused = await counted(() => inside.bid(other!.nodeId, other!.id, false));
    const held = await step(hog, true);
    found.freed = await counted(() => inside.ended(held.nodeId, held.id));
    await inside.quiet();
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('the steps of a job cost the same however many nodes, executions, waiting and stored jobs there are', async () => {
  const few = await steps({ nodes: 3, executions: 5, waiting: 3, stored: 2 });
  const many = await steps({ nodes: 400, executions: 300, waiting: 60, stored: 60 });
  for (const step of Object.keys(few)) expect(many[step], step).toEqual(few[step]);
  expect(few.freed!.filter((text) => text.startsWith('insert into "executions"'))).toHaveLength(1);
  expect(few.ended!.length).toBeLessThan(40);
});
