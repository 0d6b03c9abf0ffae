/** Both ends of a session against each other over the in-process network, with faults. */
import { afterEach, describe, expect, it } from 'vitest';
import { realWorld } from '../../runtime/world.ts';
import { BacalhauError } from '../../mod/model/mod.ts';
import {
  decodeMessage,
  encodeMessage,
  startComputeLink,
  startOrchestratorLink,
} from '../../mod/transport/mod.ts';
import type {
  Bus,
  BusMessage,
  ComputeLink,
  ComputeLinkOptions,
  LogFrame,
  OrchestratorLink,
  OrchestratorLinkOptions,
} from '../../mod/transport/mod.ts';
import { encodeNack } from '../../mod/transport/wire/replies.ts';
import { bid, cancel, ComputeRig, numbered, OrchestratorRig, status } from './rig.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { until } from '../support/until.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const link of open.splice(0).reverse()) await link[Symbol.asyncDispose]();
});

async function orchestrate(
  network: MemoryNetwork,
  extra: Partial<OrchestratorLinkOptions> = {},
): Promise<{ rig: OrchestratorRig; link: OrchestratorLink; bus: Bus }> {
  const bus = await network.connector(realWorld)({ name: 'orch' });
  const rig = new OrchestratorRig(bus, extra);
  const link = startOrchestratorLink(rig.options);
  open.push(link);
  return { rig, link, bus };
}

function compute(
  network: MemoryNetwork,
  nodeId = 'n-1',
  extra: Partial<ComputeLinkOptions> = {},
): { rig: ComputeRig; link: ComputeLink } {
  const rig = new ComputeRig(nodeId, network.connector(realWorld), extra);
  const link = startComputeLink(rig.options);
  open.push(link);
  return { rig, link };
}

/** A bare client that requests as a node would, with whatever bytes. */
async function ask(
  bus: Bus,
  nodeId: string,
  data: Uint8Array,
  headers = {},
): Promise<ReturnType<typeof decodeMessage>> {
  const subject = `bacalhau.global.compute.${nodeId}.out.ctrl`;
  return decodeMessage((await bus.request(subject, data, { timeoutMs: 1000, headers })).data);
}

describe('ids', () => {
  it('with dots, as of host names, join and carry messages both ways', async () => {
    const network = new MemoryNetwork();
    const { rig: orch, link: side } = await orchestrate(network);
    const { rig, link } = compute(network, 'worker-1.example.org');
    await until(() => link.status === 'connected', 'connected');
    expect(side.sessions()).toEqual([{ nodeId: 'worker-1.example.org', epoch: 1 }]);
    orch.outbox('worker-1.example.org').add(cancel('e-1'));
    rig.outbox.add(bid('e-2'));
    await until(() => rig.ids.includes('e-1') && orch.ids.includes('e-2'), 'messages');
  });

  it.each(['../../../precious', 'a/b', 'a\\b', '..', '.', '', 'e-1\u001b[2J', 'x'.repeat(256), 'e 1'])(
    'of the form %j are refused by both sides',
    (id) => {
      for (const { type, payload } of [cancel(id), bid(id), status(id)]) {
        const { data } = encodeMessage(type, payload, 'n-1', 0n);
        expect(() => decodeMessage(data)).toThrow('ExecutionID is no id');
      }
      const beat = { NodeID: id, AvailableCapacity: {}, QueueUsedCapacity: {}, LastOrchestratorSeqNum: 0n };
      const { data } = encodeMessage('transport.HeartbeatRequest', beat, 'n-1', 0n);
      expect(() => decodeMessage(data)).toThrow('NodeID is no id');
      const { options } = new ComputeRig(id, new MemoryNetwork().connector(realWorld));
      expect(() => startComputeLink(options)).toThrow('not of the form');
    },
  );
});

describe('joining', () => {
  it('shakes hands, sends heartbeats and changed node info, and leaves with a notice', async () => {
    const network = new MemoryNetwork();
    const { rig: orch, link: side } = await orchestrate(network);
    const { rig, link } = compute(network);
    await until(() => link.status === 'connected', 'connected');
    expect(orch.handshakes[0]).toMatchObject({
      NodeInfo: { NodeID: 'n-1' },
      InstallID: 'install-n-1',
      BootID: '1',
      Extensions: ['bacalhau.ts/1'],
    });
    expect(side.sessions()).toEqual([{ nodeId: 'n-1', epoch: 1 }]);
    await until(() => orch.heartbeats.length >= 2, 'heartbeats');
    rig.info = { ...rig.info, Labels: { zone: 'b' } };
    await until(() => orch.infos.length > 0, 'node info');
    expect(orch.infos[0]!.Labels).toEqual({ zone: 'b' });
    await link.notice('drained');
    expect(side.sessions()).toEqual([]);
    expect(orch.drops).toEqual(['n-1: graceful shutdown']);
    await link.close();
    expect(link.status).toBe('closed');
    expect(orch.handshakes.length).toBe(1);
  });

  it('capacity that changes is no news, and a refused node tries again with the reason', async () => {
    const network = new MemoryNetwork();
    let accept = false;
    const { rig: orch } = await orchestrate(network, {
      handshake: (request) =>
        Promise.resolve(
          accept
            ? {
              response: { accepted: true, LastComputeSeqNum: 0n, LastOrchestratorSeqNum: 0n },
              session: { nodeId: request.NodeInfo.NodeID, epoch: 1 },
            }
            : {
              response: {
                accepted: false,
                reason: 'node has been rejected',
                LastComputeSeqNum: 0n,
                LastOrchestratorSeqNum: 0n,
              },
            },
        ),
    });
    const { rig, link } = compute(network);
    await until(() => rig.statuses.some((text) => text.includes('node has been rejected')), 'refusal');
    accept = true;
    await until(() => link.status === 'connected', 'connected');
    const before = orch.heartbeats.length;
    rig.info = {
      ...rig.info,
      ComputeNodeInfo: { ...rig.info.ComputeNodeInfo, RunningExecutions: 5, AvailableCapacity: {} },
    };
    await until(() => orch.heartbeats.length > before + 3, 'heartbeats');
    expect(orch.infos).toEqual([]);
  });

  it('a heartbeat without a session is answered HandshakeRequired, and the node shakes hands at once', async () => {
    const network = new MemoryNetwork();
    const { rig: orch, link: side } = await orchestrate(network);
    const { rig } = compute(network, 'n-1', {
      timings: { ...new ComputeRig('x', network.connector(realWorld)).options.timings, heartbeatMs: 60_000 },
    });
    await until(() => rig.connections === 1, 'connected');
    side.drop('n-1', 'lease lost');
    expect(side.sessions()).toEqual([]);
    await until(() => rig.connections === 2, 'second handshake');
    expect(orch.drops).toEqual(['n-1: lease lost']);
    expect(rig.statuses.filter((text) => text.startsWith('disconnected'))).toEqual([]);
  });

  it('an orchestrator that starts anew greets its nodes', async () => {
    const network = new MemoryNetwork();
    const first = await orchestrate(network);
    const { rig } = compute(network, 'n-1', {
      timings: {
        heartbeatMs: 60_000,
        infoUpdateMs: 60_000,
        requestMs: 1000,
        ackMs: 1000,
        reconnectMs: 10,
        reconnectMaxMs: 50,
      },
    });
    await until(() => rig.connections === 1, 'connected');
    network.crash('orch');
    await first.link.close();
    const second = await orchestrate(network);
    await until(() => second.link.sessions().length === 1, 'second session');
  });

  it('reconnects when the server goes away and comes back, with a new connection', async () => {
    const network = new MemoryNetwork();
    await orchestrate(network);
    const { rig, link } = compute(network);
    await until(() => link.status === 'connected', 'connected');
    network.down = true;
    network.cut();
    await until(() => rig.statuses.some((text) => text.includes('connection refused')), 'refused');
    network.down = false;
    const again = await orchestrate(network);
    await until(() => again.link.sessions().length === 1, 'joined again');
    again.rig.outbox('n-1').add(cancel('e-1'));
    await until(() => rig.ids.length === 1, 'message');
  });
});

describe('data', () => {
  it('keeps the order in both directions and acknowledges everything', async () => {
    const network = new MemoryNetwork();
    const { rig: orch } = await orchestrate(network);
    const { rig, link } = compute(network);
    const ids = numbered(500);
    orch.outbox('n-1').add(...ids.map(cancel));
    rig.outbox.add(...ids.map(bid));
    await until(() => rig.ids.length === 500 && orch.ids.length === 500, 'all received');
    expect(rig.ids).toEqual(ids);
    expect(orch.ids).toEqual(ids);
    await link.flush(1000);
    expect(rig.outbox.rows).toEqual([]);
    await until(() => orch.outbox('n-1').rows.length === 0, 'outbox empty');
    expect(rig.received[7]!.seq).toBe(8n);
    expect(rig.received[7]!.metadata).toMatchObject({
      'Bacalhau-MessageID': 'seq-8',
      'Bacalhau-Source': 'orchestrator-n-1',
      'Bacalhau-Subject': 'bacalhau.global.compute.n-1.in.msgs',
    });
  });

  it('acknowledges nothing before the receiver has resolved, and never more than the window is under way', async () => {
    const network = new MemoryNetwork();
    const { rig: orch } = await orchestrate(network, { timings: { ...LONG } });
    const { rig } = compute(network);
    let release!: () => void;
    const gate = new Promise<void>((resolve) => release = resolve);
    rig.onReceive = async ({ seq }) => {
      if (seq === 2n) await gate;
    };
    const outbox = orch.outbox('n-1');
    let asked = 0n;
    const pending = outbox.pending.bind(outbox);
    outbox.pending = async (after, limit) => {
      const rows = await pending(after, limit);
      asked = rows.at(-1)?.seq ?? asked;
      return rows;
    };
    outbox.add(...numbered(100).map(cancel));
    await until(() => outbox.acks.includes(1n) && asked >= 33n, 'first acknowledged');
    await realWorld.sleep(20);
    expect(outbox.acks).toEqual([1n]);
    expect(asked).toBe(33n);
    release();
    await until(() => outbox.rows.length === 0, 'all acknowledged');
    expect(rig.ids).toEqual(numbered(100));
  });

  it('sends again after a lost acknowledgement', async () => {
    let lose = 3;
    const network = new MemoryNetwork({
      deliver: (_from, to, message, go) => {
        const ack = to === 'n-1' && message.data.length === 2;
        if (ack && lose-- > 0) return;
        queueMicrotask(go);
      },
    });
    const { rig: orch } = await orchestrate(network);
    const { rig } = compute(network);
    rig.outbox.add(...numbered(3).map(bid));
    await until(() => rig.outbox.rows.length === 0, 'acknowledged');
    expect(orch.ids.slice(0, 3)).toEqual(numbered(3));
    expect(orch.ids.length).toBeGreaterThan(3);
  });

  it('between our peers a lost message holds back its successors', async () => {
    let lose = true;
    const network = new MemoryNetwork({
      deliver: (_from, to, message, go) => {
        if (to === 'n-1' && message.headers['Bacalhau-SeqNum'] === '2' && lose) {
          lose = false;
          return;
        }
        queueMicrotask(go);
      },
    });
    // No time-out to the rescue: the receiver asks for what is missing.
    const { rig: orch } = await orchestrate(network, { timings: { ...LONG } });
    const { rig } = compute(network);
    orch.outbox('n-1').add(...numbered(10).map(cancel));
    await until(() => orch.outbox('n-1').rows.length === 0, 'acknowledged');
    expect(rig.ids).toEqual(numbered(10));
  });

  it.each([1, 2, 3, 4, 5])(
    'with loss, repetition and delay everything arrives in order (seed %i)',
    async (seed) => {
      let state = seed;
      const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
      const network = new MemoryNetwork({
        deliver: (_from, _to, _message, go) => {
          if (random() < 0.1) return;
          queueMicrotask(go);
          if (random() < 0.1) setTimeout(go, random() * 20);
        },
      });
      const timings = {
        heartbeatMs: 30,
        infoUpdateMs: 50,
        requestMs: 40,
        ackMs: 30,
        reconnectMs: 5,
        reconnectMaxMs: 20,
      };
      const { rig: orch } = await orchestrate(network, { timings });
      const { rig } = compute(network, 'n-1', { timings });
      const ids = numbered(200);
      orch.outbox('n-1').add(...ids.map(cancel));
      rig.outbox.add(...ids.map(bid));
      await until(
        () => rig.outbox.rows.length === 0 && orch.outbox('n-1').rows.length === 0,
        'both outboxes empty',
      );
      // First appearances are in order; repeats are the receiver's to ignore.
      expect([...new Set(rig.ids)]).toEqual(ids);
      expect([...new Set(orch.ids)]).toEqual(ids);
    },
  );

  it('a failing commit ends the session without acknowledgement and the node comes back', async () => {
    const network = new MemoryNetwork();
    const { rig: orch } = await orchestrate(network);
    const { rig } = compute(network);
    let failures = 1;
    orch.onReceive = ({ epoch }, { seq }) =>
      seq === 2n && failures-- > 0 ? Promise.reject(new Error(`disk full ${epoch}`)) : Promise.resolve();
    rig.outbox.add(...numbered(4).map(bid));
    await until(() => rig.outbox.rows.length === 0, 'all acknowledged');
    expect(orch.drops).toEqual(['n-1: disk full 1']);
    expect(orch.ids).toEqual(numbered(4));
    expect(orch.received[1]!.session.epoch).toBe(2);
  });

  it('extension messages go only to an orchestrator that named it', async () => {
    const network = new MemoryNetwork();
    const { rig: orch, link: side } = await orchestrate(network);
    const { rig } = compute(network);
    rig.outbox.add(bid('e-1'), status('e-1'));
    await until(() => rig.outbox.rows.length === 0, 'acknowledged');
    expect(orch.received.map(({ received }) => received.message.type)).toEqual([
      'BidResult',
      'ExecutionStatus',
    ]);
    await side.close();

    // A Go-like orchestrator: answers without the key, acknowledges, fails on what it does not know.
    const bus = await network.connector(realWorld)({ name: 'go' });
    const seen: string[] = [];
    const reply = (message: BusMessage, ...args: Parameters<typeof encodeMessage>): void =>
      bus.publish(message.reply, encodeMessage(...args).data);
    bus.subscribe('bacalhau.global.compute.*.out.ctrl', (message) => {
      const { type } = decodeMessage(message.data);
      if (type === 'transport.HandshakeRequest') {
        reply(
          message,
          'transport.HandshakeResponse',
          { accepted: true, LastComputeSeqNum: 0n, LastOrchestratorSeqNum: 0n },
          'o',
          1n,
        );
      } else reply(message, 'transport.HeartbeatResponse', { LastComputeSeqNum: 0n }, 'o', 1n);
    });
    bus.subscribe('bacalhau.global.compute.n-1.out.msgs', (message) => {
      const { type, metadata } = decodeMessage(message.data);
      seen.push(type);
      expect(metadata['Bacalhau-PreviousSeqNum']).toBeUndefined();
      bus.publish(message.reply, new TextEncoder().encode('{}'));
    });
    const before = rig.connections;
    network.cut('n-1');
    await until(() => rig.connections > before, 'joined the other one');
    rig.outbox.add(status('e-2'), bid('e-2'), status('e-2'));
    await until(() => rig.outbox.rows.length === 0, 'acknowledged');
    expect(seen).toEqual(['BidResult']);
    expect(rig.outbox.acks.at(-1)).toBe(5n);
  });

  it('gives up what can never be delivered, and goes on', async () => {
    const network = new MemoryNetwork({ maxPayload: 4096 });
    const { rig: orch } = await orchestrate(network);
    const { rig } = compute(network);
    const huge = bid('x'.repeat(5000));
    rig.outbox.add(bid('e-1'), huge, bid('e-2'));
    await until(() => rig.outbox.rows.length === 0, 'acknowledged');
    expect(rig.outbox.dead).toEqual([2n]);
    expect(orch.ids).toEqual(['e-1', 'e-2']);
  });

  it('a message refused again and again is given up as well', async () => {
    const network = new MemoryNetwork();
    const bus = await network.connector(realWorld)({ name: 'orch' });
    bus.subscribe('bacalhau.global.compute.*.out.ctrl', ({ reply }) =>
      bus.publish(
        reply,
        encodeMessage(
          'transport.HandshakeResponse',
          { accepted: true, LastComputeSeqNum: 0n, LastOrchestratorSeqNum: 0n },
          'o',
          1n,
        ).data,
      ));
    const got: bigint[] = [];
    bus.subscribe('bacalhau.global.compute.n-1.out.msgs', (message) => {
      const seq = BigInt(decodeMessage(message.data).metadata['Bacalhau-SeqNum']!);
      got.push(seq);
      bus.publish(message.reply, seq === 2n ? encodeNack('cannot read', 0) : new TextEncoder().encode('{}'));
    });
    const { rig } = compute(network, 'n-1', { timings: { ...LONG } });
    rig.outbox.add(...numbered(3).map(bid));
    await until(() => rig.outbox.rows.length === 0, 'acknowledged');
    expect(rig.outbox.dead).toEqual([2n]);
    expect(got.filter((seq) => seq === 2n).length).toBe(5);
    expect(got.at(-1)).toBe(3n);
  });
});

describe('hostile input', () => {
  it('garbage on every subject is answered and harms nobody', async () => {
    const network = new MemoryNetwork();
    const { rig: orch } = await orchestrate(network);
    const { rig } = compute(network);
    await until(() => rig.connections === 1, 'connected');
    const bus = await network.connector(realWorld)({ name: 'stranger' });
    const bytes = [
      new Uint8Array(),
      new Uint8Array([1, 2, 3]),
      new Uint8Array([3, 0, 0, 0, 0, 1]),
      new TextEncoder().encode('{"type":1}'),
      encodeMessage('BidAccepted', { Events: null, ExecutionID: 'x', Accepted: true }, 's', 1n).data,
    ];
    for (const data of bytes) {
      const answer = await ask(bus, 'n-1', data, { 'Bacalhau-MessageID': 'm-1' });
      expect(answer).toMatchObject({
        type: 'BacError',
        payload: { Code: '' },
        metadata: { 'Bacalhau-ErrorCode': '', 'Bacalhau-StatusCode': '500', 'Bacalhau-MessageID': 'm-1' },
      });
      const others = ['n-1.in.msgs', 'n-1.out.msgs', 'n-1.out.requests'].map((end) =>
        `bacalhau.global.compute.${end}`
      );
      for (
        const subject of [
          ...others,
          'node.compute.n-1.ExecutionLogs/v1',
          'node.compute.n-1.x',
          'node.management.n-1.RegisterNode/v1',
        ]
      ) {
        bus.publish(subject, data);
        bus.publish(subject, data, { reply: 'nowhere' });
      }
    }
    orch.outbox('n-1').add(cancel('e-1'));
    rig.outbox.add(bid('e-2'));
    // The one readable message among the garbage is for the other direction of `out.msgs` and for us on `in.msgs`.
    await until(() => rig.ids.includes('e-1') && orch.ids.includes('e-2'), 'still working');
    expect(orch.ids).toEqual(['e-2']);
    expect(rig.connections).toBe(1);
  });

  it('unreadable data messages get a nack, unknown types an acknowledgement', async () => {
    const network = new MemoryNetwork();
    await orchestrate(network);
    const { rig } = compute(network);
    await until(() => rig.connections === 1, 'connected');
    const bus = await network.connector(realWorld)({ name: 'stranger' });
    const subject = 'bacalhau.global.compute.n-1.in.msgs';
    const text = async (data: Uint8Array): Promise<string> =>
      new TextDecoder().decode((await bus.request(subject, data, { timeoutMs: 1000 })).data);
    expect(JSON.parse(await text(new Uint8Array([9])))).toEqual({
      error: 'bad message: too short',
      delay: 100_000_000,
    });
    const unknown = encodeMessage('BidRejected', { Events: null, ExecutionID: 'e' }, 's', 1n, {
      'Bacalhau-Type': 'Later',
    });
    expect(await text(unknown.data)).toBe('{}');
    expect(rig.received).toEqual([]);
  });

  it('a node speaks only for itself, legacy registration is refused, signed URLs are not there', async () => {
    const network = new MemoryNetwork();
    const { link: side } = await orchestrate(network);
    const bus = await network.connector(realWorld)({ name: 'n-2' });
    const heartbeat = {
      NodeID: 'n-1',
      AvailableCapacity: {},
      QueueUsedCapacity: {},
      LastOrchestratorSeqNum: 0n,
    };
    const spoofed = encodeMessage('transport.HeartbeatRequest', heartbeat, 'n-2', 1n).data;
    expect(await ask(bus, 'n-2', spoofed)).toMatchObject({ payload: { Code: 'BadRequest' } });
    expect(await ask(bus, 'n-1', spoofed)).toMatchObject({
      payload: { Code: 'HandshakeRequired', HTTPStatusCode: 428, Retryable: true },
    });
    const legacy = await bus.request('node.management.n-2.RegisterNode/v1', new TextEncoder().encode('{}'), {
      timeoutMs: 1000,
    });
    expect(new TextDecoder().decode(legacy.data)).toBe(
      '{"value":{"Accepted":false,"Reason":"node supports NCLv1 protocol - legacy protocol disabled"}}',
    );
    const url = encodeMessage(
      'managedPublisher.PreSignURLRequest',
      { Events: null, ExecutionID: 'e', JobID: 'j' },
      'n-2',
      1n,
    );
    const answer = await bus.request('bacalhau.global.compute.n-2.out.requests', url.data, {
      timeoutMs: 1000,
    });
    expect(decodeMessage(answer.data)).toMatchObject({
      type: 'BacError',
      payload: { Code: 'BadRequest', Cause: 'Managed S3 publisher is not available' },
    });
    expect(side.sessions()).toEqual([]);
  });
});

describe('logs', () => {
  /** Frames `0`, `1` … of an execution, ended by the count or the signal. */
  async function* lines(count: number, name: string): AsyncGenerator<LogFrame> {
    for (let index = 0; index < count; index++) {
      if (index % 10 === 0) await realWorld.sleep(1);
      yield { Type: index % 2 === 0 ? 1 : 2, Line: `${name} ${index} é\n`, Offset: BigInt(index) };
    }
  }
  const request = (ExecutionID: string) => ({ ExecutionID, NodeID: 'n-1', Tail: false, Follow: true });

  it('serves fifty readers at once', async () => {
    const network = new MemoryNetwork();
    const { link: side } = await orchestrate(network);
    const { rig } = compute(network, 'n-1', { logs: ({ ExecutionID }) => lines(50, ExecutionID) });
    await until(() => rig.connections === 1, 'connected');
    const read = async (id: string): Promise<string[]> => {
      const got: string[] = [];
      for await (const frame of side.logs('n-1', request(id), new AbortController().signal)) {
        got.push(frame.Line);
      }
      return got;
    };
    const all = await Promise.all(numbered(50).map(read));
    all.forEach((got, index) =>
      expect(got).toEqual(Array.from({ length: 50 }, (_, line) => `e-${index} ${line} é\n`))
    );
  });

  it('a reader that leaves stops its producer; a slow one holds it back', async () => {
    const network = new MemoryNetwork();
    const { link: side } = await orchestrate(network);
    let produced = 0;
    let stopped = false;
    const { rig } = compute(network, 'n-1', {
      logs: async function* (_request, signal) {
        signal.addEventListener('abort', () => stopped = true);
        for (;;) {
          produced++;
          yield { Type: 1, Line: 'x'.repeat(10_000) };
        }
      },
    });
    await until(() => rig.connections === 1, 'connected');
    const reader = side.logs('n-1', request('e-1'), new AbortController().signal)[Symbol.asyncIterator]();
    await reader.next();
    await realWorld.sleep(50);
    // 4 MiB of credit are about 230 frames of 10,000 characters in twofold base64.
    const early = produced;
    expect(early).toBeLessThan(400);
    for (let index = 0; index < 500; index++) await reader.next();
    expect(produced).toBeGreaterThan(early);
    await reader.return!();
    await until(() => stopped, 'producer stopped');
  });

  it('errors keep their code and text, absent nodes and lost connections are named', async () => {
    const network = new MemoryNetwork();
    const { link: side } = await orchestrate(network);
    const { rig } = compute(network, 'n-1', {
      logs: async function* ({ ExecutionID }, signal) {
        if (ExecutionID === 'none') {
          throw new BacalhauError('NotFound', 'Cannot read the log of "none": no such execution');
        }
        yield { Type: 1, Line: 'first' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    await until(() => rig.connections === 1, 'connected');
    const first = (nodeId: string, id: string) =>
      side.logs(nodeId, request(id), new AbortController().signal)[Symbol.asyncIterator]();
    await expect(first('n-1', 'none').next()).rejects.toMatchObject({
      code: 'NotFound',
      message: 'Cannot read the log of "none": no such execution',
    });
    await expect(first('n-9', 'e-1').next()).rejects.toMatchObject({
      code: 'ServiceUnavailable',
      message: 'Cannot read the log of "e-1": node "n-9" is not connected',
    });
    const reader = first('n-1', 'e-1');
    expect((await reader.next()).value.Line).toBe('first');
    network.cut('n-1');
    await expect(reader.next()).rejects.toMatchObject({ code: 'ServiceUnavailable', retryable: true });
  });

  it('large lines are cut below the message limit without loss', async () => {
    const network = new MemoryNetwork();
    const { link: side } = await orchestrate(network);
    const line = '\u0001😀'.repeat(200_000);
    const { rig } = compute(network, 'n-1', {
      logs: async function* () {
        yield { Type: 1, Line: line, Offset: 9n };
      },
    });
    await until(() => rig.connections === 1, 'connected');
    let text = '';
    let last: LogFrame | undefined;
    for await (last of side.logs('n-1', request('e-1'), new AbortController().signal)) text += last.Line;
    expect(text === line).toBe(true);
    expect(last!.Offset).toBe(9n);
  });
});

const LONG = {
  heartbeatMs: 60_000,
  infoUpdateMs: 60_000,
  requestMs: 5000,
  ackMs: 60_000,
  reconnectMs: 10,
  reconnectMaxMs: 50,
};
