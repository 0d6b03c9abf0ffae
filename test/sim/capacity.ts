/** What jobs may use of each simulated node. */
import type { Resources } from '../../mod/model/mod.ts';

export const CAPACITY: Resources = Object.freeze({
  CPU: 2,
  Memory: 1024 ** 3,
  Disk: 1024 ** 3,
  GPU: 2,
  GPUs: [0, 1].map((Index) => ({ Index, Name: 'Card', Vendor: 'NVIDIA', Memory: 1024, PCIAddress: '' })),
});

/** Of one that has become smaller: it may still run what it has promised, one after the other. */
export const LESS: Resources = Object.freeze({ ...CAPACITY, CPU: 1 });
