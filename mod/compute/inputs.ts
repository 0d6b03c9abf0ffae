/** Fetches the inputs of a run, each of several into a folder of its own, side by side. The first failure ends the others. */
import type { MountedInput } from '../engine/mod.ts';
import { DiskRoom } from '../storage/mod.ts';
import { EventTopic, parseResources } from '../model/mod.ts';
import type { Execution, InputSource } from '../model/mod.ts';
import { RunFailure } from './failure.ts';
import type { Held } from './held.ts';
import type { Workshop } from './workshop.ts';

/**
 * @param handles takes those of inputs that are used in place
 * @throws the first error of a source, after all of them have let go of the folder
 */
export async function prepareInputs(
  shop: Workshop,
  held: Held,
  folder: string,
  handles: DisposableStack,
  signal: AbortSignal,
): Promise<readonly MountedInput[]> {
  const { execution, task } = held;
  const inputs = task.InputSources ?? [];
  if (inputs.length === 0) return [];
  await checkRoom(shop, parseResources(task.Resources ?? {}).Disk ?? 0, folder);
  const room = new DiskRoom(shop.diskLimit(held) || Infinity);
  const abort = new AbortController();
  const both = AbortSignal.any([signal, abort.signal]);
  let first: { readonly thrown: unknown } | null = null;
  const mounted = await Promise.all(inputs.map(async (input, index) => {
    try {
      return await prepare(
        shop,
        execution,
        input,
        inputs.length === 1 ? folder : `${folder}/${index}`,
        room,
        handles,
        both,
      );
    } catch (thrown) {
      first ??= { thrown };
      abort.abort(thrown);
      return null;
    }
  }));
  if (first) throw (first as { readonly thrown: unknown }).thrown;
  return mounted.filter((input) => input !== null);
}

/** What the task asked for is a promise of the node's total; the disk may be fuller than that by now. */
async function checkRoom(shop: Workshop, needed: number, folder: string): Promise<void> {
  // Small inputs are not worth asking the file system.
  if (needed < CHECKED_FROM) return;
  const free = await shop.files.free(shop.executionsFolder);
  if (needed <= free) return;
  throw new RunFailure({
    topic: EventTopic.DownloadingInputs,
    class: 'infrastructure',
    code: 'DiskFull',
    message:
      `Cannot fetch the inputs into "${folder}": the task may take ${needed} bytes and ${free} are free`,
    hint: 'Free space on the node, or lower Compute.AllocatedCapacity.Disk',
  });
}

const CHECKED_FROM = 16 * 1024 * 1024;

async function prepare(
  shop: Workshop,
  execution: Execution,
  input: InputSource,
  directory: string,
  room: DiskRoom,
  handles: DisposableStack,
  signal: AbortSignal,
): Promise<MountedInput> {
  await shop.files.makeFolder(directory);
  const prepared = await sourceOf(shop, input).prepare({
    spec: input.Source!,
    target: input.Target,
    directory,
    room,
    partitionIndex: execution.PartitionIndex ?? 0,
    partitionCount: execution.Job?.Count ?? 0,
    signal,
  });
  const { hostPath, handle } = prepared;
  if (handle) handles.use(handle);
  // compatibility.md A5: the original lets a program write into what was fetched for it, though not into local paths.
  const fetched = hostPath.startsWith(directory);
  const readOnly = prepared.readOnly && (shop.compatibility.inputsReadOnly || !fetched);
  return { hostPath, ...(handle && { handle }), target: input.Target, readOnly };
}

function sourceOf(shop: Workshop, input: InputSource) {
  const source = input.Source && shop.providers.sources.get(input.Source.Type);
  if (source) return source;
  throw new RunFailure({
    topic: EventTopic.DownloadingInputs,
    class: 'infrastructure',
    code: 'NotInstalled',
    message: `Cannot fetch the input for "${input.Target}": this node no longer has the input source "${
      input.Source?.Type ?? ''
    }"`,
  });
}
