/**
 * What is kept of a run that did not complete: once its program was started, the beginnings of its output, its exit code
 * and, with a publisher, its results folder, whatever ended it. All of it is done as well as can be: nothing here changes
 * why the run ended, and a slow publisher is not waited for for ever.
 */
import { EventTopic } from '../model/mod.ts';
import type { Event, RunOutput, SpecConfig } from '../model/mod.ts';
import type { Remains } from '../transport/mod.ts';
import { asFailure, notInstalled } from './failure.ts';
import type { Held } from './held.ts';
import { inTime } from './patience.ts';
import { captureResults, readOutput } from './results.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

/** Exit code of a program whose own is not known. */
const UNKNOWN_EXIT = -1;

export interface Unfinished {
  readonly exitCode: number | null;
  /** Why it ended, for RunOutput.ErrorMsg. */
  readonly reason: string;
  /** Captured already. */
  readonly output: RunOutput | null;
  /** Published already. */
  readonly published: SpecConfig | null;
  /** Where results are still to go; null = nowhere. */
  readonly publisher: SpecConfig | null;
}

export interface Salvaged {
  readonly remains: Remains;
  /** What of it could not be kept, and why. */
  readonly events: readonly Event[];
}

/** Never rejects. */
export async function salvage(
  shop: Workshop,
  held: Held,
  paths: RunPaths,
  run: Unfinished,
): Promise<Salvaged> {
  const events: Event[] = [];
  const attempt = async <T>(topic: EventTopic, step: () => Promise<T>): Promise<T | null> => {
    try {
      return await step();
    } catch (thrown) {
      events.push(asFailure(thrown, topic).remark(shop.world.now()));
      return null;
    }
  };
  const exitCode = run.exitCode ?? UNKNOWN_EXIT;
  const cap = shop.limits.outputBytes;
  const { publisher, reason } = run;
  let output = run.output && { ...run.output, ErrorMsg: reason };
  let complete = output !== null;
  if (!output && publisher) {
    output = await attempt(
      EventTopic.RunningExecution,
      () => captureResults(shop, paths, exitCode, cap, reason),
    );
    complete = output !== null;
  }
  output ??= await attempt(EventTopic.RunningExecution, () => readOutput(paths, exitCode, cap, reason));
  const published = run.published ??
    (publisher && complete
      ? await attempt(EventTopic.PublishingResults, () => publishInTime(shop, held, paths, publisher))
      : null);
  return {
    remains: {
      ...(output ? { RunCommandResult: output } : {}),
      ...(published ? { PublishResult: published } : {}),
    },
    events,
  };
}

function publishInTime(
  shop: Workshop,
  held: Held,
  paths: RunPaths,
  spec: SpecConfig,
): Promise<SpecConfig> {
  return inTime(
    shop.world,
    shop.limits.salvageMs,
    'Cannot publish what the run left',
    (signal) => publishResults(shop, held, paths, spec, signal),
  );
}

/** @throws RunFailure without such a publisher, and what the publisher throws */
export async function publishResults(
  shop: Workshop,
  held: Held,
  paths: RunPaths,
  spec: SpecConfig,
  signal: AbortSignal,
): Promise<SpecConfig> {
  const publisher = shop.providers.publishers.get(spec.Type);
  if (!publisher) throw notInstalled('publisher', spec.Type, EventTopic.PublishingResults);
  return await publisher.publish({
    spec,
    nodeId: shop.nodeId,
    jobId: held.execution.JobID,
    executionId: held.id,
    directory: paths.results,
    signal,
  });
}
