/** What an orchestrator is made of, and its settings with their defaults. */
import type { BacalhauError, Compatibility, NodeInfo } from '../model/mod.ts';
import type { SchedulePolicy } from '../schedule/mod.ts';
import type { JobDefaults } from '../spec/mod.ts';
import type { OrchestratorStore } from '../store/mod.ts';
import type { Bus, Connect, Timings } from '../transport/mod.ts';
import type { World } from '../../runtime/world.ts';

/** Times and limits of the orchestrator; times in milliseconds. */
export interface OrchestratorSettings {
  /** `Orchestrator.NodeManager.DisconnectTimeout`: silence after which a node's work is unknown; 1 min. */
  readonly disconnectTimeoutMs: number;
  /** Added for the time that a reconnect takes: of our nodes, and of those of the original. */
  readonly reconnectAllowanceMs: number;
  readonly foreignReconnectAllowanceMs: number;
  /** `Orchestrator.NodeManager.ManualApproval` */
  readonly manualApproval: boolean;
  /** `Orchestrator.NodeManager.MaxPendingNodes`: those that wait for approval at most; more are refused. */
  readonly maxPendingNodes: number;
  /** Heartbeats are written together this often; 5 s. */
  readonly heartbeatFlushMs: number;
  /** `Orchestrator.Scheduler.HousekeepingInterval`: how often deadlines on rows are looked at; 30 s. */
  readonly housekeepingMs: number;
  /** Evaluations that one transaction takes at most. */
  readonly batch: number;
  /** `Orchestrator.EvaluationBroker.MaxRetryCount`: failed tries of an evaluation after which the history of its job tells; 10. */
  readonly maxTries: number;
  /** Largest message of a connection, bytes; the smaller of this and the bus's own counts. 1 MiB. */
  readonly maxMessageBytes: number;
}

/** The settings where no key says otherwise. */
export const DEFAULT_SETTINGS: OrchestratorSettings = Object.freeze({
  disconnectTimeoutMs: 60_000,
  reconnectAllowanceMs: 5_000,
  foreignReconnectAllowanceMs: 130_000,
  manualApproval: false,
  maxPendingNodes: 1_000,
  heartbeatFlushMs: 5_000,
  housekeepingMs: 30_000,
  batch: 64,
  maxTries: 10,
  maxMessageBytes: 1_048_576,
});

/** What an orchestrator is made of. */
export interface OrchestratorOptions {
  /** Node id of this process; goes into the meta of jobs. */
  readonly id: string;
  readonly world: World;
  readonly store: OrchestratorStore;
  readonly bus: Bus;
  /** Makes a new bus when `bus` is lost; without it the orchestrator can then only be closed. */
  readonly connect?: Connect;
  readonly timings: Timings;
  readonly defaults: JobDefaults;
  readonly compatibility: Compatibility;
  readonly scheduler?: Partial<SchedulePolicy>;
  readonly settings?: Partial<OrchestratorSettings>;
  /** Of this installation and this run of it; they go into the meta of jobs. */
  readonly installationId?: string;
  readonly instanceId?: string;
  /** This process as it appears in lists of nodes. */
  readonly self?: () => NodeInfo;
  /** Told of errors that nobody waits for. */
  readonly onError?: (error: BacalhauError) => void;
}
