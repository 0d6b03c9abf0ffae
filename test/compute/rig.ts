/** A compute node on a real store in a temporary folder, with a scripted orchestrator at its link and a crash. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startComputeNode } from '../../mod/compute/mod.ts';
import type { ComputeNode, ComputeNodeOptions, ComputeSide } from '../../mod/compute/mod.ts';
import { noopEngine } from '../../mod/engine/noop.ts';
import { compatibility, deepFreeze } from '../../mod/model/mod.ts';
import type { Execution, Job, Task } from '../../mod/model/mod.ts';
import { COMPUTE_MIGRATIONS } from '../../mod/store/compute_schema.ts';
import type { ComputeSchema } from '../../mod/store/compute_schema.ts';
import type { Database } from '../../mod/store/database.ts';
import { openSqlite } from '../../mod/store/sqlite.ts';
import type { InMessage, OutMessage } from '../../mod/transport/wire/messages.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import type { World } from '../../runtime/world.ts';
import { until } from '../support/until.ts';

export interface Harness {
  readonly folder: string;
  node: ComputeNode;
  side: ComputeSide;
  db: Database<ComputeSchema>;
  /** All messages that reached the orchestrator, over all starts. */
  readonly sent: OutMessage[];
  /** `execution/run` of each start of a program, over all starts of the node. */
  readonly starts: string[];
  /** Reasons of the shutdown notices, over all starts. */
  readonly notices: string[];
  /** Whether the orchestrator acknowledges. */
  acknowledging: boolean;
  send(message: InMessage): Promise<void>;
  /** Waits for a message of this type about this execution. */
  until<T extends OutMessage['type']>(type: T, id: string): Promise<Extract<OutMessage, { type: T }>>;
  crash(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface HarnessOptions extends Partial<ComputeNodeOptions> {
  readonly extended?: boolean;
}

export async function harness(options: HarnessOptions = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'compute-'));
  let alive = { now: true };
  let ack: Promise<void> = Promise.resolve();
  const h: Harness = {
    folder,
    node: undefined as unknown as ComputeNode,
    side: undefined as unknown as ComputeSide,
    db: undefined as unknown as Database<ComputeSchema>,
    sent: [],
    starts: [],
    notices: [],
    acknowledging: true,
    send: (message) => h.side.receive([{ message, seq: 0n, metadata: {} }]),
    async until(type, id) {
      const found = () =>
        h.sent.find((message) =>
          message.type === type && 'ExecutionID' in message.payload && message.payload.ExecutionID === id
        );
      await until(
        () => found() !== undefined,
        () => `${type} of ${id}; sent: ${JSON.stringify(h.sent, big)}`,
      );
      return found() as never;
    },
    async crash() {
      alive.now = false;
      h.db.abandon();
      await ack;
    },
    async start() {
      alive = { now: true };
      const mine = alive;
      const world = mortal(() => mine.now);
      h.db = await openSqlite<ComputeSchema>({
        path: join(folder, 'compute.db'),
        migrations: COMPUTE_MIGRATIONS,
        world,
      });
      h.node = await startComputeNode({
        nodeId: 'n-1',
        installId: 'install',
        labels: {},
        version: { GitVersion: 'v1.10.0', GitCommit: '', BuildDate: '', GOOS: 'linux', GOARCH: 'amd64' },
        world,
        files: new ContainedFiles(folder),
        store: h.db,
        engines: [
          noopEngine({
            world,
            onStart: ({ executionId, runNo }) => h.starts.push(`${executionId}/${runNo}`),
          }),
        ],
        sources: [],
        publishers: [],
        capacity: { CPU: 1, Memory: 1024 ** 3, Disk: 1024 ** 3 },
        executionsFolder: join(folder, 'executions'),
        environment: { allowList: [], get: () => undefined },
        compatibility: compatibility(''),
        startLink: async (side) => {
          h.side = side;
          await side.connected({
            accepted: true,
            LastComputeSeqNum: 0n,
            LastOrchestratorSeqNum: 0n,
            ...(options.extended ? { Extensions: ['bacalhau.ts/1'], StoreID: 's' } : {}),
          });
          const abort = new AbortController();
          ack = drain(side, h, () => mine.now, abort.signal);
          side.status?.('connected', '');
          return {
            status: 'connected',
            flush: async () => {},
            notice: async (reason) => void h.notices.push(reason),
            close: async () => abort.abort(),
            [Symbol.asyncDispose]: async () => abort.abort(),
          };
        },
        ...options,
        timings: { statusMs: 20, stopGraceMs: 10, ...options.timings },
      });
    },
    async close() {
      if (alive.now) {
        await h.node.close();
        await h.db.close();
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
  await h.start();
  return h;
}

/** The sender's half of a link: delivers in order, acknowledges what was delivered. */
async function drain(
  side: ComputeSide,
  h: Harness,
  alive: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  let after = 0n;
  while (alive() && !signal.aborted) {
    const rows = await Promise.race([side.outbox.pending(after, 32), dead(alive)]);
    if (!rows || !alive()) return;
    for (const { seq, message } of rows) {
      h.sent.push(message);
      after = seq;
      if (h.acknowledging) await side.outbox.acknowledged(seq);
    }
    if (rows.length === 0) {
      const changed = side.outbox.changed(after, signal).catch(() => null);
      await Promise.race([changed, dead(alive)]);
    }
  }
}

async function dead(alive: () => boolean): Promise<null> {
  while (alive()) await realWorld.sleep(5);
  return null;
}

/** A World whose timers stop with the node. */
function mortal(alive: () => boolean): World {
  return {
    ...realWorld,
    after: (ms, callback) => realWorld.after(ms, () => alive() ? callback() : undefined),
    sleep: async (ms, signal) => {
      await realWorld.sleep(ms, signal);
      if (!alive()) await new Promise(() => {});
    },
  };
}

const big = (_: string, value: unknown) => typeof value === 'bigint' ? String(value) : value;

let clock = 1_000_000n;

export function execution(
  id: string,
  params: Record<string, unknown> = {},
  more: { task?: Partial<Task>; job?: Partial<Job>; desired?: 0 | 1; created?: bigint } = {},
): Execution {
  const created = more.created ?? clock++;
  const task: Task = {
    Name: 'main',
    Engine: { Type: 'noop', Params: params },
    Publisher: { Type: '' },
    ...more.task,
  };
  return deepFreeze({
    ID: id,
    Namespace: 'default',
    EvalID: '',
    Name: '',
    NodeID: 'n-1',
    JobID: `j-${id}`,
    Job: {
      ID: `j-${id}`,
      Name: id,
      Namespace: 'default',
      Type: 'batch',
      Priority: 0,
      Count: 1,
      Constraints: [],
      Meta: { 'bacalhau.org/orchestrator.id': 'orch' },
      Labels: {},
      Tasks: [task],
      State: { StateType: 'Pending' },
      Version: 1,
      Revision: 1n,
      CreateTime: created,
      ModifyTime: created,
      ...more.job,
    },
    JobVersion: 1,
    AllocatedResources: { Tasks: {} },
    DesiredState: { StateType: more.desired ?? 0 },
    ComputeState: { StateType: 1 },
    PublishedResult: { Type: '' },
    RunOutput: null,
    PreviousExecution: '',
    NextExecution: '',
    FollowupEvalID: '',
    Revision: 1n,
    CreateTime: created,
    ModifyTime: created,
  } as Execution);
}

export const ask = (it: Execution): InMessage => ({
  type: 'AskForBid',
  payload: { Events: null, Execution: it },
});
export const accept = (id: string): InMessage => ({
  type: 'BidAccepted',
  payload: { Events: null, ExecutionID: id, Accepted: true },
});
export const reject = (id: string): InMessage => ({
  type: 'BidRejected',
  payload: { Events: null, ExecutionID: id },
});
export const cancel = (id: string): InMessage => ({
  type: 'CancelExecution',
  payload: { Events: null, ExecutionID: id },
});

/** Phase of an execution in the store, '' when there is none. */
export async function phaseOf(h: Harness, id: string): Promise<string> {
  const row = await h.db.read((db) =>
    db.selectFrom('executions').select('phase').where('id', '=', id).executeTakeFirst()
  );
  return row?.phase ?? '';
}

export async function untilPhase(h: Harness, id: string, phase: string): Promise<void> {
  const end = performance.now() + 5_000;
  for (;;) {
    const now = await phaseOf(h, id);
    if (now === phase) return;
    if (performance.now() > end) throw new Error(`execution ${id} is ${now}, not ${phase}`);
    await realWorld.sleep(2);
  }
}
