/** What jobs may use of this machine: shares (`80%`) or amounts of `Compute.AllocatedCapacity`. */
import { machineTotals } from '../../runtime/machine.ts';
import type { Config } from '../config/mod.ts';
import { BacalhauError, parseBytes, parseCpu, parseGpu, type Resources } from '../model/mod.ts';

type Allocated = Config['Compute']['AllocatedCapacity'];

/** @param folder the disk that holds it counts. @throws BacalhauError that names the key and what it takes */
export async function allocatedCapacity(allocated: Allocated, folder: string): Promise<Resources> {
  const total = await machineTotals(folder);
  const cpu = share('CPU', allocated.CPU, total.cpus, parseCpu);
  const memory = share('Memory', allocated.Memory, total.memory, parseBytes);
  const disk = share('Disk', allocated.Disk, total.disk, parseBytes);
  const gpu = share('GPU', allocated.GPU, 0, parseGpu);
  return Object.freeze({
    ...(cpu ? { CPU: Math.floor(cpu * 1000) / 1000 } : {}),
    ...(memory ? { Memory: Math.floor(memory) } : {}),
    ...(disk ? { Disk: Math.floor(disk) } : {}),
    ...(gpu ? { GPU: Math.floor(gpu) } : {}),
  });
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
