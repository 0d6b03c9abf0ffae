/**
 * Which GPUs an execution gets. Chosen when it leaves the queue and stored before its object is made, so that a restart
 * holds the same ones; as part of the capacity in use none belongs to two runs (invariants.md S10).
 */
import type { Resources } from '../model/mod.ts';

/** The resources with as many of the free devices as they ask for: of one vendor where one has enough. */
export function chooseDevices(wanted: Resources, free: Resources): Resources {
  const count = wanted.GPU ?? 0;
  if (count === 0) return withoutDevices(wanted);
  const { GPUs: devices = [] } = free;
  const vendors = [...new Set(devices.map(({ Vendor }) => Vendor))];
  const sameVendor = vendors.map((vendor) => devices.filter(({ Vendor }) => Vendor === vendor))
    .find((group) => group.length >= count);
  const GPUs = (sameVendor ?? devices).slice(0, count);
  return Object.freeze({ ...withoutDevices(wanted), ...(GPUs.length > 0 ? { GPUs } : {}) });
}

/** Those of a run that is over, or that begins anew. */
export function withoutDevices({ GPUs: _, ...amounts }: Resources): Resources {
  return Object.freeze(amounts);
}
