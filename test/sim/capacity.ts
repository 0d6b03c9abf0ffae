/** What jobs may use of each simulated node. */
import type { Resources } from '../../mod/model/mod.ts';

export const CAPACITY: Resources = Object.freeze({
  CPU: 2,
  Memory: 1024 ** 3,
  Disk: 1024 ** 3,
  GPU: 2,
  GPUs: [0, 1].map((Index) => ({ Index, Name: 'Card', Vendor: 'NVIDIA', Memory: 1024, PCIAddress: '' })),
});
