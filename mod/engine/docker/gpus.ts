/** What a container needs to use the GPUs that its execution was given (executors.md 6). */
import { realpath } from 'node:fs/promises';
import { BacalhauError, type Gpu } from '../../model/mod.ts';
import type { DeviceMapping, DeviceRequest } from '../../../runtime/docker/mod.ts';

export interface GpuFields {
  /** NVIDIA: its container toolkit makes the devices. */
  readonly DeviceRequests?: readonly DeviceRequest[];
  /** AMD and Intel: device files. */
  readonly Devices?: readonly DeviceMapping[];
}

export interface GpuOptions {
  /**
   * Stable id of an NVIDIA card (`GPU-8f2c…`) where it is known; by its number alone a card may be another after a
   * reboot.
   */
  readonly uuidOf?: ((gpu: Gpu) => string | undefined) | undefined;
  /** Folder of the device files. Default `/dev`. */
  readonly devices?: string | undefined;
}

/** @throws BacalhauError when a card's device files are not there, or its vendor is unknown */
export async function gpuFields(gpus: readonly Gpu[], options: GpuOptions = {}): Promise<GpuFields> {
  const nvidia: string[] = [];
  const paths = new Set<string>();
  const folder = options.devices ?? '/dev';
  for (const gpu of gpus) {
    switch (gpu.Vendor) {
      case 'NVIDIA':
        nvidia.push(options.uuidOf?.(gpu) ?? String(gpu.Index));
        break;
      case 'AMD/ATI':
        paths.add(`${folder}/kfd`);
        for (const path of await renderNodes(gpu, folder)) paths.add(path);
        break;
      case 'Intel':
        for (const path of await renderNodes(gpu, folder)) paths.add(path);
        break;
      default:
        throw unusable(gpu, `this node cannot hand cards of "${gpu.Vendor}" to a container`);
    }
  }
  return {
    ...(nvidia.length > 0 && { DeviceRequests: [{ DeviceIDs: nvidia, Capabilities: [['gpu']] }] }),
    ...(paths.size > 0 && {
      Devices: [...paths].map((path) => ({
        PathOnHost: path,
        PathInContainer: path,
        CgroupPermissions: 'rwm',
      })),
    }),
  };
}

/** The card's two files, as the links by its address name them: `card0` may be another after a reboot. */
async function renderNodes(gpu: Gpu, folder: string): Promise<string[]> {
  if (gpu.PCIAddress === '') throw unusable(gpu, 'its tool does not tell its PCI address');
  const links = ['card', 'render'].map((kind) => `${folder}/dri/by-path/pci-${gpu.PCIAddress}-${kind}`);
  try {
    return await Promise.all(links.map((link) => realpath(link)));
  } catch (cause) {
    throw unusable(gpu, `its device files are not there (${links.join(', ')})`, cause);
  }
}

function unusable(gpu: Gpu, why: string, cause?: unknown): BacalhauError {
  return new BacalhauError('GpuUnavailable', `Cannot use GPU ${gpu.Index} "${gpu.Name}": ${why}`, {
    component: 'Docker',
    hint: 'Look at the drivers of the node; the task can run on another one',
    details: { class: 'infrastructure' },
    cause,
  });
}
