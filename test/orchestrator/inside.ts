/** The orchestrator without nodes, messages or timers, for what one step costs. */
import { compatibility, type NodeInfo } from '../../mod/model/mod.ts';
import { submit, type SubmitContext } from '../../mod/orchestrator/jobs/submit.ts';
import { Inbox } from '../../mod/orchestrator/nodes/inbox.ts';
import { Sessions } from '../../mod/orchestrator/nodes/sessions.ts';
import { Transactor } from '../../mod/orchestrator/work/transactor.ts';
import { NodeIndex } from '../../mod/orchestrator/work/node_index.ts';
import { PastIndex } from '../../mod/orchestrator/work/past_index.ts';
import { DEFAULT_POLICY } from '../../mod/schedule/mod.ts';
import { openOrchestratorStore, type OrchestratorStore } from '../../mod/store/mod.ts';
import type { OutMessage } from '../../mod/transport/mod.ts';
import { realWorld } from '../../runtime/world.ts';

/** An orchestrator's inside over a real store, without a network: each call is one step with its transaction. */
export class Inside implements AsyncDisposable {
  readonly transactor: Transactor;
  readonly sessions = new Sessions();
  readonly inbox: Inbox;
  readonly context: SubmitContext;
  #seq = 0n;

  constructor(readonly store: OrchestratorStore) {
    const onError = (error: unknown) => {
      throw error;
    };
    const policy = DEFAULT_POLICY;
    const context = {
      world: realWorld,
      policy,
      nodes: new NodeIndex(policy.overCommit),
      pasts: new PastIndex(),
      hearingSince: 0n,
    };
    this.transactor = new Transactor(store, context, onError);
    this.context = {
      transactor: this.transactor,
      world: realWorld,
      orchestratorId: 'o-1',
      defaults: {},
      maxMessageBytes: 1e6,
    };
    const { transactor, sessions } = this;
    this.inbox = new Inbox({
      transactor,
      sessions,
      policy,
      compatibility: compatibility(''),
      report: onError,
    });
  }

  static async open(path: string): Promise<Inside> {
    return new Inside(await openOrchestratorStore({ path, world: realWorld, orchestratorId: 'o-1' }));
  }

  async submit(job: unknown): Promise<string> {
    return (await submit(this.context, { job, force: false })).JobID;
  }

  /** Resolves when nothing more can be placed. */
  async quiet(): Promise<void> {
    for (let before = -2; before + 1 !== this.store.stats().operations;) {
      before = this.store.stats().operations;
      await this.transactor.serve();
      await this.store.write(() => Promise.resolve());
    }
  }

  /** Connected nodes. */
  async join(infos: readonly NodeInfo[]): Promise<void> {
    for (let from = 0; from < infos.length; from += 500) {
      await this.transactor.commit(async ({ tx }) => {
        for (const info of infos.slice(from, from + 500)) {
          const about = {
            membership: 'APPROVED',
            installId: '',
            extensions: [],
            info,
            infoHash: '',
          } as const;
          await tx.nodes.insert({ id: info.NodeID, ...about });
          await tx.nodes.openSession(info.NodeID, {
            owner: 'o-1',
            status: 'connected',
            connectedSince: tx.now,
            available: {},
            queued: {},
          });
        }
      });
    }
  }

  async #report(nodeId: string, type: OutMessage['type'], payload: Record<string, unknown>): Promise<void> {
    if (!this.sessions.get(nodeId)) {
      this.sessions.put({
        nodeId,
        epoch: 1,
        incarnation: '',
        extended: true,
        connected: true,
        silent: false,
        lastHeard: 0n,
        reportedSeq: 0n,
        available: {},
        queued: {},
        inventory: null,
        cancelled: new Set(),
      });
    }
    const message = { type, payload: { Events: null, JobType: 'batch', ...payload } } as OutMessage;
    await this.inbox.receive({ nodeId, epoch: 1 }, [{ message, seq: ++this.#seq } as never]);
  }

  bid(nodeId: string, ExecutionID: string, Accepted: boolean): Promise<void> {
    return this.#report(nodeId, 'BidResult', { ExecutionID, Accepted });
  }

  /** Its program has ended well. */
  ended(nodeId: string, ExecutionID: string): Promise<void> {
    const output = { Stdout: '', StdoutTruncated: false, stderr: '', StderrTruncated: false };
    const RunCommandResult = { ...output, ExitCode: 0, ErrorMsg: '' };
    return this.#report(nodeId, 'RunResult', { ExecutionID, PublishResult: null, RunCommandResult });
  }

  /** Live executions of a job by slot. */
  async live(jobId: string, limit: number) {
    return (await this.store.read((reader) => reader.executions.live(jobId, limit))).toSorted((a, b) =>
      Number(a.slot) - Number(b.slot)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
  }
}
