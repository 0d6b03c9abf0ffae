/** Random and mutated envelopes against both ends of a session: nothing they carry may end a process or silence a peer. */
import { crc32 } from 'node:zlib';
import process from 'node:process';
import { expect } from 'vitest';
import { realWorld } from '../../runtime/world.ts';
import { encodeMessage, startComputeLink, startOrchestratorLink } from '../../mod/transport/mod.ts';
import { Random } from '../sim/random.ts';
import { bid, cancel, ComputeRig, nodeInfo, OrchestratorRig, status } from './rig.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { until } from '../support/until.ts';

const LONGEST_ANSWER = 16 * 1024;

const SEEDS = [
  encodeMessage(
    'transport.HandshakeRequest',
    { NodeInfo: nodeInfo('n-1'), LastOrchestratorSeqNum: 0n },
    'n-1',
    0n,
  ),
  encodeMessage('transport.UpdateNodeInfoRequest', { NodeInfo: nodeInfo('n-1') }, 'n-1', 0n),
  ...[bid('e-1'), status('e-1'), cancel('e-1')].map(({ type, payload }) =>
    encodeMessage(type, payload, 'n-1', 1n)
  ),
].map(({ data }) => data);

const TEXTS = [
  '',
  '"',
  '\\',
  '\u0000',
  '../../../precious',
  'é',
  '[',
  '{',
  'null',
  '1e999',
  '-1',
  '99999999999999999999',
];

/** A well-formed frame around changed content, so that more than the checksum is tried. */
function mutated(random: Random): Uint8Array {
  const of = (count: number) => Math.floor(random.next() * count);
  if (random.next() < 0.1) return Uint8Array.from({ length: of(64) }, () => of(256));
  let text = new TextDecoder().decode(SEEDS[of(SEEDS.length)]!.subarray(5));
  for (let edits = 1 + of(4); edits > 0; edits--) {
    const at = of(text.length);
    const piece = random.next() < 0.02 ? 'x'.repeat(600_000) : TEXTS[of(TEXTS.length)]!;
    text = text.slice(0, at) + piece + text.slice(at + of(12));
  }
  const body = new TextEncoder().encode(text);
  const data = new Uint8Array(5 + body.length);
  data[0] = random.next() < 0.05 ? 2 : 1;
  new DataView(data.buffer).setUint32(1, random.next() < 0.05 ? 0 : crc32(body) >>> 0);
  data.set(body, 5);
  return data;
}

/** @throws when an end answers too much, stops answering, or something is thrown that nobody catches */
export async function fuzz(seed: number, count: number): Promise<void> {
  const random = new Random(seed);
  const strays: unknown[] = [];
  const onStray = (error: unknown) => void strays.push(error);
  process.on('uncaughtException', onStray);
  process.on('unhandledRejection', onStray);
  const network = new MemoryNetwork();
  const connect = network.connector(realWorld);
  const orchestrator = new OrchestratorRig(await connect({ name: 'orch' }));
  const compute = new ComputeRig('n-1', connect);
  const [orchestratorLink, computeLink] = [
    startOrchestratorLink(orchestrator.options),
    startComputeLink(compute.options),
  ];
  try {
    const bus = await connect({ name: 'stranger' });
    let longest = 0;
    bus.subscribe('answers', ({ data }) => void (longest = Math.max(longest, data.length)));
    await until(() => computeLink.status === 'connected', 'joined');
    const subjects = [
      'bacalhau.global.compute.n-1.out.ctrl',
      'bacalhau.global.compute.n-2.out.ctrl',
      'bacalhau.global.compute.n-1.out.requests',
      'bacalhau.global.compute.n-1.out.msgs',
      'bacalhau.global.compute.n-1.in.msgs',
      'node.compute.n-1.ExecutionLogs/v1',
      'node.management.x.RegisterNode/v1',
    ];
    for (let sent = 0; sent < count; sent++) {
      const subject = subjects[Math.floor(random.next() * subjects.length)]!;
      const data = mutated(random);
      if (data.length > bus.maxPayload) continue;
      const headers = random.next() < 0.02 ? { 'Bacalhau-MessageID': 'y'.repeat(300_000) } : {};
      bus.publish(subject, data, { reply: 'answers', headers });
      if (sent % 64 === 0) await new Promise((done) => setImmediate(done));
    }
    // Both ends are alive: an honest message still goes through each.
    await until(() => computeLink.status === 'connected', 'joined still or again');
    orchestrator.outbox('n-1').add(cancel('e-last'));
    compute.outbox.add(bid('e-last'));
    await until(() => compute.ids.includes('e-last'), 'the node hears');
    await until(() => orchestrator.ids.includes('e-last'), 'the orchestrator hears');
    expect(strays).toEqual([]);
    expect(longest).toBeLessThan(LONGEST_ANSWER);
    for (const id of [...compute.ids, ...orchestrator.ids].filter(Boolean)) expect(id).not.toContain('..');
  } finally {
    await computeLink.close();
    await orchestratorLink.close();
    process.off('uncaughtException', onStray);
    process.off('unhandledRejection', onStray);
  }
}
