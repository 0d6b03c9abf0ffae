/** A process with both roles: its compute node meets its orchestrator wherever that listens, and is shown as it is. */
import { expect, it, vi } from 'vitest';
import { ask, nodes } from './support/nodes.ts';

it.each(['127.0.0.2', '::1', '0.0.0.0'])('of an orchestrator at %s joins it', async (host) => {
  await using all = nodes();
  const roles = ['Orchestrator.Enabled', 'Compute.Enabled', `Orchestrator.Host=${host}`];
  const running = await all.start('host.example.org', roles);
  await vi.waitFor(async () => {
    const { Node: { Connection, ConnectionState } } = await ask(
      running,
      'orchestrator/nodes/host.example.org',
    );
    expect(Connection).toBe('CONNECTED');
    expect(ConnectionState.LastHeartbeat).not.toMatch(/^(0001|1970)/);
  }, { timeout: 10_000, interval: 20 });
  const { NATSServer } = await ask(running, 'agent/debug');
  // The orchestrator within the process, and the node through its socket.
  expect(NATSServer.connections).toBe(2);
});
