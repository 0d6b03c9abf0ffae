/** How the four job types differ for the scheduler (job-spec.md 2.1); all else is common to them. */
import type { JobType } from '../model/mod.ts';

/** How jobs of one type are scheduled. */
export interface JobKind {
  /** Ends by itself: each slot needs one counted result. Otherwise each slot needs a live execution for ever. */
  readonly finite: boolean;
  /** One slot per matching node instead of `Count` slots. */
  readonly perNode: boolean;
  /** `policy`: as configured; `never`: a failed slot stays failed; `always`: again with back-off, for ever. */
  readonly retry: 'policy' | 'never' | 'always';
}

/** All that differs between the types of jobs. */
export const JOB_KINDS: Readonly<Record<JobType, JobKind>> = Object.freeze({
  batch: { finite: true, perNode: false, retry: 'policy' },
  service: { finite: false, perNode: false, retry: 'always' },
  ops: { finite: true, perNode: true, retry: 'never' },
  daemon: { finite: false, perNode: true, retry: 'always' },
});

/** Slot of the n-th partition or replica. */
export function indexSlot(index: number): string {
  return String(index);
}

/** Slot of an ops or daemon job on a node. */
export function nodeSlot(nodeId: string): string {
  return `n:${nodeId}`;
}

/** The node that a slot belongs to; null = any may take it. */
export function nodeOf(slot: string): string | null {
  return slot.startsWith('n:') ? slot.slice(2) : null;
}

/** `PartitionIndex` of a slot: ops and daemon executions all have 0. */
export function partitionOf(slot: string): number {
  return nodeOf(slot) === null ? Number(slot) : 0;
}
