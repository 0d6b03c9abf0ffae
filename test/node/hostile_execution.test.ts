/** An execution whose id is a path: refused where it is decoded, and where it would be made a folder. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { loadConfig } from '../../mod/config/mod.ts';
import { noopEngine } from '../../mod/engine/mod.ts';
import { startNode } from '../../mod/node/mod.ts';
import { encodeMessage, natsConnect } from '../../mod/transport/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { ask, execution, harness } from '../compute/rig.ts';
import { temporaryFolder } from '../support/program.ts';

const HOSTILE = '../../../precious';

it('an ask with the id of a path over NATS runs nothing and touches nothing', async () => {
  await using folder = await temporaryFolder();
  const precious = join(folder.path, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'keep'), 'mine');
  const { config } = await loadConfig({
    env: { HOME: folder.path },
    settings: [
      `DataDir=${join(folder.path, 'data')}`,
      'Orchestrator.Enabled=true',
      'Compute.Enabled=true',
      'Orchestrator.Host=127.0.0.1',
      'Orchestrator.Port=0',
      'API.Host=127.0.0.1',
      'API.Port=0',
      'Publishers.Types.Local.Port=0',
    ],
  });
  const started: string[] = [];
  await using running = await startNode(config, {
    name: 'n-1',
    log: () => {},
    engines: [noopEngine({ world: realWorld, onStart: ({ executionId }) => started.push(executionId) })],
  });
  await vi.waitFor(async () => {
    const answer = await fetch(`${running.apiUrl}/api/v1/orchestrator/nodes/n-1`);
    expect((await answer.json()).Node?.Connection).toBe('CONNECTED');
  }, { timeout: 10_000, interval: 20 });
  const stranger = await natsConnect({ servers: [running.natsUrl!] })({ name: 'stranger' });
  const send = async (id: string, seq: string): Promise<string> => {
    const { type, payload } = ask(execution(id, { Output: 'x' }, { desired: 1 }));
    const extra = { 'Bacalhau-SeqNum': seq };
    const { data, headers } = encodeMessage(type as 'AskForBid', payload as never, 'orch', 1n, extra);
    const request = { headers, timeoutMs: 5_000 };
    return new TextDecoder().decode(
      (await stranger.request('bacalhau.global.compute.n-1.in.msgs', data, request)).data,
    );
  };
  try {
    expect(await send(HOSTILE, '1')).toMatch(/is no id/);
    // The same with an honest id is taken, so the refusal is for the id alone.
    await send('e-1', '2');
    await vi.waitFor(() => expect(started).toEqual(['e-1']), { timeout: 10_000 });
  } finally {
    await stranger.close();
  }
  expect(readdirSync(folder.path).sort()).toEqual(['data', 'precious']);
  expect(readdirSync(precious)).toEqual(['keep']);
  expect(readFileSync(join(precious, 'keep'), 'utf8')).toBe('mine');
});

it('one that gets past the wire makes, writes and removes no folder outside', async () => {
  const h = await harness();
  const outside = join(h.folder, 'precious');
  mkdirSync(outside);
  writeFileSync(join(outside, 'keep'), 'mine');
  try {
    await h.send(ask(execution('../precious', { Output: 'x' }, { desired: 1 })));
    const { payload } = await h.until('ComputeError', '../precious');
    expect(payload.Events?.[0]?.Message).toMatch(/no path of plain names/);
    expect(readdirSync(outside)).toEqual(['keep']);
    expect(h.starts).toEqual([]);
  } finally {
    await h.close();
  }
});
