/** What the parts of a compute node share: its tools and the few decisions that all runs need. */
import type { RunRequest } from '../engine/mod.ts';
import type { Compatibility, Event, StringMap } from '../model/mod.ts';
import type { ComputePhase, ComputeStore, PhaseChange } from '../store/mod.ts';
import type { Remains } from '../transport/mod.ts';
import type { Files } from '../../runtime/files/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { HostEnvironment } from './environment.ts';
import type { Held } from './held.ts';
import type { ComputeLimits, ComputeTimings } from './options.ts';
import type { Ports } from './ports.ts';
import type { AllProviders } from './providers.ts';
import type { StatusReports } from './status.ts';

export interface Workshop {
  readonly nodeId: string;
  readonly world: World;
  readonly files: Files;
  readonly store: ComputeStore;
  readonly providers: AllProviders;
  readonly environment: HostEnvironment;
  readonly ports: Ports;
  readonly executionsFolder: string;
  readonly compatibility: Compatibility;
  readonly limits: ComputeLimits;
  readonly timings: ComputeTimings;
  readonly status: StatusReports;
  /** What an engine has to know of a run, without environment and inputs: enough to find it again. */
  runRequest(held: Held): RunRequest;
  /** Bytes of disk that a run may take, inputs included; 0 = no limit. */
  diskLimit(held: Held): number;
  /** What the end of a cancelled execution owes: a report to a peer that understands one, else nothing more. */
  stopReport(
    held: Held,
    now: bigint,
    events?: readonly Event[],
    remains?: Remains,
  ): Pick<PhaseChange, 'report' | 'confirmedAt'>;
  /** The end of an execution is durable. */
  ended(id: string, phase: ComputePhase): void;
  /** An object of a run could not be removed; the sweep will try again. */
  leftOver(): void;
  /** The orchestrator has taken notice of it. */
  confirmed(id: string): void;
  log(level: 'info' | 'warn' | 'error', message: string, fields: StringMap): void;
}
