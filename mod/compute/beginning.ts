/** Where a run begins: at the beginning, or with what a restart of the node found. */
import type { Run } from '../engine/mod.ts';
import type { Event } from '../model/mod.ts';

export type Beginning =
  | { readonly kind: 'fresh'; /** Whether an earlier try may have left files. */ readonly discard: boolean }
  | { readonly kind: 'adopt'; readonly run: Run }
  | { readonly kind: 'harvest' | 'publish'; readonly exitCode: number; readonly run: Run | null }
  /** It has failed, or is to: what it left is still to be kept and reported. */
  | {
    readonly kind: 'salvage';
    readonly verdict: Event;
    readonly exitCode: number | null;
    readonly run: Run | null;
  }
  /** It was cancelled. */
  | {
    readonly kind: 'remove';
    /** Whether its program was let go. */
    readonly started: boolean;
    readonly exitCode: number | null;
    readonly run: Run | null;
  };

/** Whether its program was let go at some time. */
export function hasStarted(beginning: Beginning): boolean {
  switch (beginning.kind) {
    case 'fresh':
      return false;
    case 'adopt':
      return beginning.run.state !== 'created';
    case 'remove':
      return beginning.started;
    default:
      return true;
  }
}
