/** All that a program needs before its engine makes it: folders, environment, inputs, ports and devices. */
import type { Engine, RunRequest } from '../engine/mod.ts';
import { EventTopic, toRfc3339 } from '../model/mod.ts';
import type { Event, StringMap } from '../model/mod.ts';
import { removeFolder } from './access.ts';
import { checkEnvironment, resolveEnvironment } from './environment.ts';
import { atStep, notInstalled, RunFailure, Stopped } from './failure.ts';
import type { Held } from './held.ts';
import { prepareInputs } from './inputs.ts';
import { describePorts, portEnvironment, portsOf } from './ports.ts';
import { outputsOf } from './results.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

export interface Preparing {
  readonly shop: Workshop;
  readonly held: Held;
  readonly paths: RunPaths;
  /** Of inputs that are used in place; disposed when the run is over. */
  readonly handles: DisposableStack;
  readonly signal: AbortSignal;
  /** Throws when the run is not wanted any more; called before each effect. */
  readonly goOn: () => void;
}

/** @param discard whether an earlier try may have left files */
export async function prepareRun(run: Preparing, discard: boolean): Promise<RunRequest> {
  const { shop, held, paths, handles, signal, goOn } = run;
  const { task } = held;
  const env = environmentOf(shop, held);
  if (discard) await removeFolder(shop, paths.folder);
  // The deepest first: it brings those above it.
  if (task.InputSources?.length) await shop.files.makeFolder(paths.inputs);
  else await shop.files.makeFolder(paths.folder);
  const outputs = outputsOf(task, paths);
  await Promise.all(outputs.map((output) => shop.files.makeFolder(output.hostPath)));
  goOn();
  const inputs = await atStep(EventTopic.DownloadingInputs, () => {
    if (task.InputSources?.length) shop.status.mark(held, 'preparing');
    return prepareInputs(shop, held, paths.inputs, handles, signal);
  });
  goOn();
  await assign(run);
  return {
    ...shop.runRequest(held),
    env: { ...env, ...portEnvironment(held.ports) },
    inputs,
    outputs,
    progress: (message, details) => {
      if (!signal.aborted) say(shop, held, message, details);
    },
  };
}

function say(shop: Workshop, held: Held, message: string, details?: StringMap): void {
  shop.status.say(held, eventOf(shop, EventTopic.PreparingEnvironment, message, details));
}

/** For {@link RunRequest.remark}. */
export function remarkOn(shop: Workshop, held: Held): NonNullable<RunRequest['remark']> {
  return (message, details) => {
    shop.status.say(held, eventOf(shop, EventTopic.RunningExecution, message, details), 'running');
  };
}

function eventOf(shop: Workshop, topic: EventTopic, message: string, details?: StringMap): Event {
  return Object.freeze({
    Message: message,
    Topic: topic,
    Timestamp: toRfc3339(shop.world.now()),
    ...(details ? { Details: details } : {}),
  });
}

/** @throws RunFailure when this node has lost it */
export function engineOf(shop: Workshop, held: Held): Engine {
  const type = held.task.Engine?.Type ?? '';
  const engine = shop.providers.engines.get(type);
  if (!engine) throw notInstalled('engine', type, EventTopic.PreparingEnvironment);
  return engine;
}

/** Which ports and devices the run has is durable before something has them (invariants.md C4). */
async function assign({ shop, held, goOn }: Preparing): Promise<void> {
  const publishes = portsOf(held.task).length > 0;
  if (!publishes && !held.resources.GPUs) return;
  if (publishes) {
    held.ports = await atStep(
      EventTopic.PreparingEnvironment,
      () => shop.ports.assign(held.id, held.task),
    );
  }
  goOn();
  const assignment = { allocated: held.resources, ports: held.ports };
  if (!await shop.store.assign(held.id, assignment)) throw new Stopped('cancelled');
  if (publishes) {
    say(shop, held, `Publishing ports: ${describePorts(held.ports)}`, portEnvironment(held.ports));
  }
  goOn();
}

function environmentOf(shop: Workshop, held: Held): Readonly<Record<string, string>> {
  const [refusal] = checkEnvironment(held.task, shop.environment);
  if (!refusal) return resolveEnvironment(held.execution, held.task, shop.environment);
  throw new RunFailure({
    topic: EventTopic.PreparingEnvironment,
    class: 'infrastructure',
    code: refusal.code,
    message: `Cannot make the environment of task "${held.task.Name}": ${refusal.reason}`,
    hint: refusal.hint,
  });
}
