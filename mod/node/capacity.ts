/** What jobs may use of this machine: shares (`80%`) or amounts of `Compute.AllocatedCapacity`. */
import type { FoundGpu } from '../../runtime/gpus.ts';
import { machineTotals } from '../../runtime/machine.ts';
import type { Config } from '../config/mod.ts';
import {
  BacalhauError,
  type Gpu,
  parseBytes,
  parseCpu,
  parseGpu,
  type Resources,
  type StringMap,
} from '../model/mod.ts';

type Allocated = Config['Compute']['AllocatedCapacity'];

/**
 * @param folder the disk that holds it counts
 * @param found devices of this machine; jobs may use no more than these, whatever the amount says
 * @throws BacalhauError that names the key and what it takes
 */
export async function allocatedCapacity(
  allocated: Allocated,
  folder: string,
  found: readonly FoundGpu[],
): Promise<Resources> {
  const total = await machineTotals(folder);
  const cpu = share('CPU', allocated.CPU, total.cpus, parseCpu);
  const memory = share('Memory', allocated.Memory, total.memory, parseBytes);
  const disk = share('Disk', allocated.Disk, total.disk, parseBytes);
  const GPUs = allocatedGpus(allocated.GPU, found);
  return Object.freeze({
    ...(cpu ? { CPU: Math.floor(cpu * 1000) / 1000 } : {}),
    ...(memory ? { Memory: Math.floor(memory) } : {}),
    ...(disk ? { Disk: Math.floor(disk) } : {}),
    ...(GPUs.length > 0 ? { GPU: GPUs.length, GPUs } : {}),
  });
}

/** A share is cut down to whole devices, but any share of some is one at least (config.md 14). */
function allocatedGpus(text: string, found: readonly FoundGpu[]): readonly Gpu[] {
  const wanted = share('GPU', text, found.length, parseGpu);
  return Object.freeze(found.slice(0, wanted > 0 ? Math.max(1, Math.floor(wanted)) : 0).map(asGpu));
}

/** As nodes tell of a device (wire-protocol.md 7.5). */
function asGpu({ index, name, vendor, memoryMiB, pciAddress }: FoundGpu): Gpu {
  return Object.freeze({
    Index: index,
    Name: name,
    Vendor: vendor,
    Memory: memoryMiB,
    PCIAddress: pciAddress,
  });
}

/** `GPU-0: Tesla-T4` and `GPU-0-Memory: 15360-MiB` for each device of the machine (compute.md 13). */
export function gpuLabels(found: readonly FoundGpu[]): StringMap {
  return Object.fromEntries(found.flatMap(({ name, memoryMiB }, index) => [
    [`GPU-${index}`, name.replaceAll(' ', '-')],
    [`GPU-${index}-Memory`, `${memoryMiB}-MiB`],
  ]));
}

function share(name: keyof Allocated, text: string, total: number, parse: (text: string) => number): number {
  const percent = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text);
  if (percent && Number(percent[1]) <= 100) return total * Number(percent[1]) / 100;
  try {
    return parse(text);
  } catch (cause) {
    throw new BacalhauError('ConfigurationError', `Cannot use Compute.AllocatedCapacity.${name} "${text}"`, {
      hint: 'Write a share from 0% to 100%, or an amount.',
      cause,
    });
  }
}
