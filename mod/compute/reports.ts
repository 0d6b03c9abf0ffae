/** The messages that a node sends of an execution, as data; keys and first events as the original's (wire-protocol.md 7.4). */
import { EventTopic, toRfc3339 } from '../model/mod.ts';
import type { Event, Execution, RunOutput, SpecConfig } from '../model/mod.ts';
import type { ExecutionStatus, OutMessage, Remains } from '../transport/mod.ts';

function about(execution: Execution, events: readonly Event[] | null) {
  return {
    ExecutionID: execution.ID,
    JobID: execution.JobID,
    JobType: execution.Job?.Type ?? 'batch',
    Events: events,
  };
}

export function bidResult(
  execution: Execution,
  accepted: boolean,
  events: readonly Event[] | null,
): OutMessage {
  return { type: 'BidResult', payload: { ...about(execution, events), Accepted: accepted } };
}

/** The receiver shows the first event's message as that of the state. */
/** @param lost what could not be kept of a program that has ended, with why */
export function runResult(
  execution: Execution,
  output: RunOutput,
  published: SpecConfig | null,
  now: bigint,
  earlier: readonly Event[],
  lost: Event | null = null,
): OutMessage {
  const end = lost ?? Object.freeze({
    Message: 'Completed successfully',
    Topic: EventTopic.Execution,
    Timestamp: toRfc3339(now),
  });
  return {
    type: 'RunResult',
    payload: {
      ...about(execution, [end, ...earlier]),
      PublishResult: published ?? { Type: '' },
      RunCommandResult: output,
    },
  };
}

/** @param remains output and results of a program that was started */
export function computeError(
  execution: Execution,
  failure: Event,
  earlier: readonly Event[],
  remains: Remains = {},
): OutMessage {
  return { type: 'ComputeError', payload: { ...about(execution, [failure, ...earlier]), ...remains } };
}

export function executionStatus(
  execution: Execution,
  phase: ExecutionStatus['Phase'],
  revision: bigint,
  events: readonly Event[] | null = null,
  remains: Remains = {},
): OutMessage {
  return {
    type: 'ExecutionStatus',
    payload: { ...about(execution, events), Phase: phase, Revision: revision, ...remains },
  };
}

/** Entries per message: about 150 bytes each, and a message must stay below 1 MiB. */
const INVENTORY_ENTRIES = 4000;

type Entry = Extract<OutMessage, { type: 'ExecutionInventory' }>['payload']['Executions'][number];

/**
 * One message, or several of which all but the last say that more follow. An empty node says so too.
 * @param epoch of the session, where the peer named one
 */
export function inventory(entries: readonly Entry[], epoch: number): readonly OutMessage[] {
  const messages: OutMessage[] = [];
  for (let at = 0; at === 0 || at < entries.length; at += INVENTORY_ENTRIES) {
    const more = at + INVENTORY_ENTRIES < entries.length;
    const Executions = entries.slice(at, at + INVENTORY_ENTRIES);
    messages.push({
      type: 'ExecutionInventory',
      payload: { Executions, ...(epoch ? { Epoch: epoch } : {}), ...(more ? { More: true } : {}) },
    });
  }
  return messages;
}
