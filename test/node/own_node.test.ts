/** A process with both roles: its compute node meets its orchestrator wherever that listens, and is shown as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../mod/config/mod.ts';
import { noopEngine } from '../../mod/engine/mod.ts';
import { startNode } from '../../mod/node/mod.ts';
import { realWorld } from '../../runtime/world.ts';

let folder = '';
beforeEach(() => folder = mkdtempSync(join(tmpdir(), 'own-node-')));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it.each(['127.0.0.2', '::1', '0.0.0.0'])('of an orchestrator at %s joins it', async (host) => {
  const { config } = await loadConfig({
    env: { HOME: folder },
    settings: [
      `DataDir=${join(folder, 'data')}`,
      'Orchestrator.Enabled=true',
      'Compute.Enabled=true',
      `Orchestrator.Host=${host}`,
      'Orchestrator.Port=0',
      'API.Host=127.0.0.1',
      'API.Port=0',
      'Publishers.Types.Local.Port=0',
    ],
  });
  await using running = await startNode(config, {
    name: 'host.example.org',
    log: () => undefined,
    engines: [noopEngine({ world: realWorld })],
  });
  const shown = async () => {
    const answer = await fetch(`${running.apiUrl}/api/v1/orchestrator/nodes/host.example.org`);
    return (await answer.json()).Node;
  };
  await vi.waitFor(async () => {
    const { Connection, ConnectionState } = await shown();
    expect(Connection).toBe('CONNECTED');
    expect(ConnectionState.LastHeartbeat).not.toMatch(/^(0001|1970)/);
  }, { timeout: 10_000, interval: 20 });
  const { NATSServer } = await (await fetch(`${running.apiUrl}/api/v1/agent/debug`)).json();
  // The orchestrator within the process, and the node through its socket.
  expect(NATSServer.connections).toBe(2);
});
