/** What a node refuses before it opens anything. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { loadConfig } from '../../mod/config/mod.ts';
import { startDevstack } from '../../mod/node/mod.ts';
import { ask, nodes } from './support/nodes.ts';

it.each([
  'API.TLS.SelfSigned=true',
  'API.TLS.CertFile=/c',
  'API.Auth.AccessPolicyPath=/p',
  'JobAdmissionControl.ProbeExec=/bin/false',
])('no node starts with %s, a devstack neither', async (setting) => {
  await using all = nodes();
  await expect(all.start('x', ['Orchestrator.Enabled', setting])).rejects.toThrow(
    /^Cannot start a node: .* protection: \S+ needs /,
  );
  const { config } = await loadConfig({ env: { HOME: all.folder }, settings: [setting] });
  const shape = { orchestrators: 1, computes: 0, hybrids: 0 };
  const stack = startDevstack(config, { ...shape, folder: all.folder, log: () => undefined });
  await expect(stack).rejects.toThrow(/^Cannot start a node/);
  expect(readdirSync(all.folder)).toEqual([]);
});

it('a devstack makes the folder that it is given', async () => {
  await using all = nodes();
  const settings = ['API.Port=0', 'Orchestrator.Port=0', 'Publishers.Types.Local.Port=0'];
  const { config } = await loadConfig({ env: { HOME: all.folder }, settings });
  const folder = join(all.folder, 'not', 'there');
  const shape = { orchestrators: 1, computes: 0, hybrids: 0 };
  await using _stack = await startDevstack(config, { ...shape, folder, log: () => undefined });
  expect(readdirSync(folder)).toContain('node-0');
});

it('an orchestrator that approves by hand keeps no more unknown nodes than MaxPendingNodes', async () => {
  await using all = nodes();
  const orchestrator = await all.start('o', [
    'Orchestrator.Enabled',
    'Orchestrator.NodeManager.ManualApproval',
    'Orchestrator.NodeManager.MaxPendingNodes=2',
    'Orchestrator.Host=127.0.0.1',
  ]);
  const compute = ['Compute.Enabled', `Compute.Orchestrators=${orchestrator.natsUrl}`];
  const ids = async () => {
    const { Nodes } = await ask(orchestrator, 'orchestrator/nodes?filter-approval=PENDING');
    return Nodes.map((each: { Info: { NodeID: string } }) => each.Info.NodeID);
  };
  await all.start('a', compute);
  await all.start('b', compute);
  await vi.waitFor(async () => expect(await ids()).toEqual(['a', 'b']), { timeout: 10_000, interval: 20 });
  await all.start('c', compute);
  const refused = () => expect(all.log.join('\n')).toContain('2 nodes wait for approval already');
  await vi.waitFor(refused, { timeout: 10_000, interval: 20 });
  expect(await ids()).toEqual(['a', 'b']);
});
