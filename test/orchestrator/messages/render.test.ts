import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stop } from '../../../mod/orchestrator/jobs/stop.ts';
import { renderMessage } from '../../../mod/orchestrator/messages/render.ts';
import { makeInfo } from '../../schedule/model.ts';
import { Inside } from '../inside.ts';
import { spec } from '../rig.ts';

let folder: string;

beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'render-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('asks for an execution that was to stop before its ask had left, so that its node can say that it has', async () => {
  await using inside = await Inside.open(join(folder, 'orchestrator.db'));
  await inside.join([makeInfo('n-1', { CPU: 4, Memory: 1e9 })]);
  const id = await inside.submit(spec());
  await inside.quiet();
  const [asked] = await inside.live(id, 1);
  await stop(inside.transactor, id, { namespace: '', reason: '' });
  const messages = await inside.store.read(async (reader) => {
    const rows = await reader.outbox.list('n-1', 0n, 10);
    return await Promise.all(rows.map((row) => renderMessage(reader, row)));
  });
  expect(messages).toMatchObject([
    { type: 'AskForBid', payload: { Execution: { ID: asked!.id } } },
    { type: 'CancelExecution', payload: { ExecutionID: asked!.id } },
  ]);
});
