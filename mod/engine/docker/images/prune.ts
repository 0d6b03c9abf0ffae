/** Removes images that this node pulled and that no container uses, by age since their last use and by total size. */
import { type Docker, DockerError, type ImageInspect } from '../../../../runtime/docker/mod.ts';
import type { Ledger, PulledImage } from './ledger.ts';

export interface PruneOptions {
  /** Removed when no run used it for this long; absent = never for its age. */
  readonly maxAgeMs?: number;
  /** Least recently used ones go while all together are larger (layers that images share count for each). */
  readonly maxBytes?: number;
  /** Time between two rounds. Default 10 min. */
  readonly everyMs?: number;
}

export interface Pruned {
  readonly ref: string;
  readonly bytes: number;
}

/** A run may have asked for its image a moment ago and make its container only now. */
const JUST_USED_MS = 120_000;

interface Candidate extends PulledImage {
  readonly bytes: number;
  readonly free: boolean;
}

/**
 * @param nowMs milliseconds since 1970
 * @param busy whether an image is being pulled
 * @throws DockerError
 */
export async function prune(
  docker: Docker,
  ledger: Ledger,
  options: PruneOptions,
  nowMs: number,
  busy: (ref: string) => boolean,
): Promise<readonly Pruned[]> {
  const candidates = await survey(docker, ledger, nowMs, busy);
  let total = candidates.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: Pruned[] = [];
  for (const { ref, bytes, usedAt, free } of candidates) {
    const old = options.maxAgeMs !== undefined && nowMs - usedAt > options.maxAgeMs;
    const large = options.maxBytes !== undefined && total > options.maxBytes;
    if (!free || !(old || large) || !(await remove(docker, ref))) continue;
    await ledger.forget(ref);
    total -= bytes;
    removed.push({ ref, bytes });
  }
  return removed;
}

/** What is left of our images, least recently used first. */
async function survey(
  docker: Docker,
  ledger: Ledger,
  nowMs: number,
  busy: (ref: string) => boolean,
): Promise<Candidate[]> {
  const images = ledger.list();
  if (images.length === 0) return [];
  const containers = await docker.containers.list({ all: true });
  const inUse = new Set(containers.map(({ ImageID }) => ImageID));
  const candidates: Candidate[] = [];
  for (const image of images) {
    if (busy(image.ref)) continue;
    const found = await inspect(docker, image.ref);
    // Gone, or named by somebody since: no longer ours to remove.
    if (!found || otherNames(found, image.ref)) await ledger.forget(image.ref);
    else if (inUse.has(found.Id)) {
      ledger.used(image.ref);
      candidates.push({ ...image, bytes: found.Size, free: false });
    } else candidates.push({ ...image, bytes: found.Size, free: nowMs - image.usedAt > JUST_USED_MS });
  }
  return candidates;
}

function otherNames(image: ImageInspect, ref: string): boolean {
  return (image.RepoTags ?? []).some((tag) => tag !== ref);
}

async function inspect(docker: Docker, ref: string): Promise<ImageInspect | null> {
  try {
    return await docker.images.inspect(ref);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** False when a container came to use it meanwhile. */
async function remove(docker: Docker, ref: string): Promise<boolean> {
  try {
    await docker.images.remove(ref);
    return true;
  } catch (error) {
    if (isGone(error)) return true;
    if (error instanceof DockerError && error.code === 'Conflict') return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof DockerError && (error.code === 'ImageNotFound' || error.code === 'NotFound');
}
