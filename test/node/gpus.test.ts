/** A node on a machine with graphics cards, as the vendors' tools (fakes on PATH) tell of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../mod/config/mod.ts';
import type { Engine, RunRequest } from '../../mod/engine/mod.ts';
import { noopEngine } from '../../mod/engine/mod.ts';
import type { Gpu, NodeInfo } from '../../mod/model/mod.ts';
import { startNode } from '../../mod/node/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { until } from '../support/until.ts';

const TOOLS = resolve(import.meta.dirname!, '../fixtures/gpu/nvidia');
const CARDS: readonly Gpu[] = [
  { Index: 0, Name: 'Tesla T4', Vendor: 'NVIDIA', Memory: 15360, PCIAddress: '0000:00:1e.0' },
  { Index: 1, Name: 'Tesla T1', Vendor: 'NVIDIA', Memory: 12345, PCIAddress: '0001:3b:00.0' },
];

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-node-'));
  vi.stubEnv('PATH', `${TOOLS}${delimiter}${process.env.PATH}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function node(engines: readonly Engine[], ...settings: string[]) {
  const { config } = await loadConfig({
    env: { HOME: folder },
    settings: [
      `DataDir=${join(folder, 'data')}`,
      'Orchestrator.Enabled=true',
      'Compute.Enabled=true',
      'Orchestrator.Host=127.0.0.1',
      'Orchestrator.Port=0',
      'API.Host=127.0.0.1',
      'API.Port=0',
      'Publishers.Types.Local.Port=0',
      ...settings,
    ],
  });
  return await startNode(config, { log: () => undefined, engines });
}

async function about(apiUrl: string): Promise<NodeInfo> {
  return (await (await fetch(`${apiUrl}/api/v1/agent/node`)).json() as { NodeInfo?: NodeInfo } & NodeInfo);
}

it('tells of them in capacity and labels, and gives each run its own', async () => {
  const requests: RunRequest[] = [];
  const engine = noopEngine({ world: realWorld, onStart: (request) => requests.push(request) });
  await using running = await node([engine]);
  const { Labels, ComputeNodeInfo } = await about(running.apiUrl);
  expect(ComputeNodeInfo.MaxCapacity).toMatchObject({ GPU: 2, GPUs: CARDS });
  expect(ComputeNodeInfo.MaxJobRequirements).toMatchObject({ GPU: 2 });
  expect(Labels).toMatchObject({
    'GPU-0': 'Tesla-T4',
    'GPU-0-Memory': '15360-MiB',
    'GPU-1': 'Tesla-T1',
    'GPU-1-Memory': '12345-MiB',
  });
  const Job = {
    Name: 'two',
    Type: 'batch',
    Count: 2,
    Tasks: [{
      Name: 'main',
      Engine: { Type: 'noop', Params: { DelayMs: 60_000 } },
      Resources: { GPU: '1', CPU: '0.1' },
    }],
  };
  const answer = await fetch(`${running.apiUrl}/api/v1/orchestrator/jobs`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ Job }),
  });
  expect(await answer.text()).toContain('JobID');
  await until(() => requests.length === 2);
  const given = requests.flatMap(({ resources }) => resources.GPUs ?? []);
  expect(given.toSorted((a, b) => a.Index - b.Index)).toEqual(CARDS);
  expect((await about(running.apiUrl)).ComputeNodeInfo.AvailableCapacity.GPU).toBeUndefined();
});

it.each([
  ['60%', 1],
  ['10%', 1],
  ['0%', 0],
  ['1', 1],
  ['5', 2],
])('of two, a capacity of %s is %i', async (share, count) => {
  await using running = await node([], `Compute.AllocatedCapacity.GPU=${share}`);
  const { Labels, ComputeNodeInfo } = await about(running.apiUrl);
  expect(ComputeNodeInfo.MaxCapacity.GPU ?? 0).toBe(count);
  expect(ComputeNodeInfo.MaxCapacity.GPUs ?? []).toEqual(CARDS.slice(0, count));
  expect(Labels).toMatchObject({ 'GPU-1': 'Tesla-T1' });
});

it('refuses a range of ports that has none', async () => {
  await expect(node([], 'Compute.Network.PortRangeStart=30000', 'Compute.Network.PortRangeEnd=29999')).rejects
    .toThrow('Cannot use Compute.Network.PortRangeStart "30000": it is above PortRangeEnd "29999"');
});
