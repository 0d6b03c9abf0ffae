/** Tokens by file and environment, so that none need stand on a command line; nobody is shown them. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { ask, nodes } from './support/nodes.ts';

const TOKEN = 'open/sesame';

it('an orchestrator has its token from the environment, a node from a file; both keep it to themselves', async () => {
  await using all = nodes();
  const first = await all.start('o', ['Orchestrator.Enabled', 'Orchestrator.Host=127.0.0.1'], {
    BACALHAU_ORCHESTRATOR_AUTH_TOKEN: TOKEN,
  });
  const file = join(all.folder, 'node.yaml');
  writeFileSync(file, `Compute: {Auth: {Token: ${TOKEN}}}`);
  const compute = ['Compute.Enabled', `Compute.Orchestrators=${first.natsUrl}`];
  const second = await all.start('c', [...compute, file]);
  await all.start('d', [...compute, 'Compute.Auth.Token=wrong']);
  await vi.waitFor(async () => {
    expect(all.log.join('\n')).toContain('refuses the token');
    const { Nodes } = await ask(first, 'orchestrator/nodes');
    const connected = Nodes.filter((each: { Connection: string }) => each.Connection === 'CONNECTED');
    expect(connected.map((each: { Info: { NodeID: string } }) => each.Info.NodeID)).toEqual(['c', 'o']);
  }, { timeout: 10_000, interval: 20 });
  for (const node of [first, second]) {
    const shown = JSON.stringify(await ask(node, 'agent/config'));
    expect(shown).toContain('********');
    expect(shown).not.toContain('sesame');
  }
  expect(all.log.join('\n')).not.toContain('sesame');
  for (const name of ['o', 'c', 'd']) {
    expect(statSync(join(all.folder, name, 'lock.sqlite')).mode & 0o777).toBe(0o600);
  }
});
