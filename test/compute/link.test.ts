/** The node behind the real session: memory network, real envelopes, a scripted orchestrator link. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startComputeNode } from '../../mod/compute/mod.ts';
import { noopEngine } from '../../mod/engine/noop.ts';
import { compatibility } from '../../mod/model/mod.ts';
import { COMPUTE_MIGRATIONS } from '../../mod/store/compute_schema.ts';
import type { ComputeSchema } from '../../mod/store/compute_schema.ts';
import { openSqlite } from '../../mod/store/sqlite.ts';
import { EXTENSION, startComputeLink, startOrchestratorLink } from '../../mod/transport/mod.ts';
import type { InMessage, OutMessage } from '../../mod/transport/mod.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { realWorld as world } from '../../runtime/world.ts';
import { accept, ask, execution } from './rig.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { until } from '../support/until.ts';

it('bids, runs and reports over the wire', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'compute-link-'));
  const connect = new MemoryNetwork().connector(world);
  const timings = {
    heartbeatMs: 15_000,
    infoUpdateMs: 60_000,
    requestMs: 1_000,
    ackMs: 1_000,
    reconnectMs: 10,
    reconnectMaxMs: 50,
  };
  const received: OutMessage[] = [];
  const queue: { seq: bigint; message: InMessage }[] = [];
  let wake = () => {};
  const send = (message: InMessage) => {
    queue.push({ seq: BigInt(queue.length + 1), message });
    wake();
  };
  const orchestrator = startOrchestratorLink({
    orchestratorId: 'orch',
    world,
    bus: await connect({ name: 'orch' }),
    timings,
    handshake: async ({ NodeInfo }) => ({
      response: {
        accepted: true,
        LastComputeSeqNum: 0n,
        LastOrchestratorSeqNum: 0n,
        Extensions: [EXTENSION],
        StoreID: 's',
        Epoch: 1,
      },
      session: { nodeId: NodeInfo.NodeID, epoch: 1 },
    }),
    heartbeat: async () => ({ LastComputeSeqNum: 0n }),
    updateNodeInfo: async () => ({ accepted: true }),
    shutdownNotice: async () => ({ LastComputeSeqNum: 0n }),
    receive: async (_session, batch) => void received.push(...batch.map(({ message }) => message)),
    outbox: () => ({
      pending: async (after) => queue.filter(({ seq }) => seq > after),
      changed: (after, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          if (queue.some(({ seq }) => seq > after)) return resolve();
          wake = resolve;
        }),
      acknowledged: async () => {},
    }),
  });
  const store = await openSqlite<ComputeSchema>({
    path: join(folder, 'compute.db'),
    migrations: COMPUTE_MIGRATIONS,
    world,
  });
  const node = await startComputeNode({
    nodeId: 'n-1',
    installId: 'i',
    labels: {},
    version: {
      GitVersion: 'v1.10.0',
      GitCommit: '',
      BuildDate: '2026-01-01T00:00:00Z',
      GOOS: 'linux',
      GOARCH: 'amd64',
    },
    world,
    files: new ContainedFiles(folder),
    store,
    engines: [noopEngine({ world })],
    sources: [],
    publishers: [],
    capacity: { CPU: 1, Memory: 1024 ** 3 },
    executionsFolder: join(folder, 'executions'),
    environment: { allowList: [], get: () => undefined },
    compatibility: compatibility(''),
    startLink: (side) => startComputeLink({ ...side, connect, timings }),
  });
  try {
    const has = (type: string) => received.find((message) => message.type === type);
    await until(() => has('ExecutionInventory') !== undefined, () => 'the inventory');
    send(ask(execution('e-1', { Output: 'over the wire' })));
    await until(() => has('BidResult') !== undefined, () => 'the bid');
    send(accept('e-1'));
    await until(() => has('RunResult') !== undefined, () => 'the result');
    expect(has('RunResult')!.payload).toMatchObject({
      RunCommandResult: { Stdout: 'over the wire', ExitCode: 0 },
    });
    const lines: string[] = [];
    const request = { ExecutionID: 'e-1', NodeID: 'n-1', Tail: false, Follow: true };
    for await (const frame of orchestrator.logs('n-1', request, new AbortController().signal)) {
      lines.push(frame.Line);
    }
    expect(lines.join('')).toBe('over the wire');
  } finally {
    await node.close();
    await orchestrator.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
