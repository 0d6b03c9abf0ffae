/** Pruning: only what this node pulled, what no container uses and nobody has named since. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Images } from '../../../../mod/engine/docker/images/images.ts';
import type { PruneOptions } from '../../../../mod/engine/docker/images/prune.ts';
import { realWorld } from '../../../../runtime/world.ts';
import { dockerd, dockerMissing, type TestDocker, type TestRegistry } from '../../../support/docker.ts';
import { onlyAt, uniqueImage } from './support.ts';

const found = await dockerd();
if (!found) console.log(dockerMissing());

const HOUR = 3_600_000;

describe.skipIf(!found)('pruning of images', () => {
  const docker = found as TestDocker;
  const never = new AbortController().signal;
  let registry: TestRegistry;
  let directory: string;
  let laterMs: number;

  beforeAll(async () => {
    registry = await docker.registry();
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    if (directory) rmSync(directory, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), 'images-'));
    laterMs = 0;
  });

  const world = { ...realWorld, now: () => realWorld.now() + BigInt(laterMs) * 1_000_000n };
  const imagesOf = (prune: PruneOptions) =>
    new Images(docker.docker, { auth: () => Promise.resolve(null), directory, world, prune });
  const isHere = (ref: string) => docker.docker.images.inspect(ref).then(() => true, () => false);
  const pull = (images: Images, ref: string) => images.ensure(ref, {}, () => {}, never);
  const removed = async (images: Images) => (await images.prune()).map(({ ref }) => ref);
  const pulled = async (images: Images, name: string) => {
    const { ref } = await onlyAt(docker, registry, name);
    const use = await images.ensure(ref, await images.pin(ref), () => {}, never);
    return { ref, use };
  };

  it('removes what no run used for too long, also after a restart of the node', async () => {
    const before = imagesOf({ maxAgeMs: HOUR });
    const old = await pulled(before, 'prune/old:1');
    const kept = await pulled(before, 'prune/kept:1');
    await before.close();
    const images = imagesOf({ maxAgeMs: HOUR });
    expect(await removed(images)).toEqual([]);
    laterMs = HOUR - 60_000;
    expect(await removed(images)).toEqual([]);
    await images.ensure(kept.ref, await images.pin(kept.use), () => {}, never);
    laterMs = HOUR + 1;
    expect(await removed(images)).toEqual([old.use]);
    expect([await isHere(old.use), await isHere(kept.use)]).toEqual([false, true]);
    await images.close();
    expect(readFileSync(join(directory, 'pulled_images.json'), 'utf8')).not.toContain('prune/old');
  });

  it('removes the least recently used ones while all are too large', async () => {
    const images = imagesOf({ maxBytes: 3_000_000 });
    const uses: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      uses.push((await pulled(images, `prune/size-${name}:1`)).use);
      laterMs += 60_001;
    }
    const { Size } = await docker.docker.images.inspect(uses[0]!);
    expect(Size).toBeGreaterThan(1_000_000);
    // `a` is used again: `b` is the oldest.
    await images.ensure(uses[0]!, {}, () => {}, never);
    laterMs += HOUR;
    const gone = await removed(images);
    const left = Math.floor(3_000_000 / Size);
    expect(gone).toEqual([uses[1], uses[2], uses[3], uses[0]].slice(0, 4 - left));
    await images.close();
  });

  it('never touches images of others, those in use, or those that somebody named since', async () => {
    const images = imagesOf({ maxAgeMs: 1, maxBytes: 0 });
    const build = await uniqueImage(docker);
    await images.ensure(build, await images.pin(build), () => {}, never);
    const foreign = await onlyAt(docker, registry, 'prune/foreign:1');
    await docker.docker.images.pull(foreign.ref, {}, () => {});
    await pull(images, foreign.ref);
    const named = await pulled(images, 'prune/named:1');
    await docker.docker.images.tag(named.use, 'bacalhau-test/named', 'mine');
    const used = await pulled(images, 'prune/used:1');
    const { Id } = await docker.docker.containers.create({ Image: used.use });
    laterMs = 24 * HOUR;
    expect(await removed(images)).toEqual([]);
    for (const ref of [build, foreign.ref, named.use, used.use]) expect(await isHere(ref)).toBe(true);
    // Its age begins when the container ends.
    await docker.docker.containers.remove(Id);
    expect(await removed(images)).toEqual([]);
    laterMs += HOUR;
    expect(await removed(images)).toEqual([used.use]);
    await images.close();
  });

  it('leaves what a run asked for a moment ago', async () => {
    const images = imagesOf({ maxBytes: 0 });
    const { use } = await pulled(images, 'prune/just:1');
    expect(await removed(images)).toEqual([]);
    expect(await isHere(use)).toBe(true);
    await images.close();
  });

  it('forgets nothing that a crash interrupted: an image is written down before it is pulled', async () => {
    const { ref, digest } = await onlyAt(docker, registry, 'prune/crash:1');
    const images = imagesOf({ maxAgeMs: HOUR });
    const file = join(directory, 'pulled_images.json');
    const seen: boolean[] = [];
    await images.ensure(ref, { 'docker.image.digest': digest }, (text) => {
      if (!/^Pulled/.test(text) && existsSync(file)) seen.push(readFileSync(file, 'utf8').includes(digest));
      else if (/^Pulled/.test(text)) seen.push(readFileSync(file, 'utf8').includes(digest));
    }, never);
    expect(seen).toContain(true);
    await images.close();
    const { ref: gone } = await onlyAt(docker, registry, 'prune/never-came:1');
    const list = JSON.parse(readFileSync(file, 'utf8'));
    list.images.push({ ref: gone, usedAt: 1 });
    writeFileSync(file, JSON.stringify(list));
    laterMs = 2 * HOUR;
    expect(await removed(imagesOf({ maxAgeMs: HOUR }))).toEqual([`${ref.replace(/:1$/, '')}@${digest}`]);
    expect(readFileSync(file, 'utf8')).not.toContain('never-came');
  });

  it('runs by itself when asked for, and not at all otherwise', async () => {
    const timers: number[] = [];
    const counting = {
      ...world,
      after(ms: number, callback: () => void) {
        timers.push(ms);
        return realWorld.after(ms, callback);
      },
    };
    const options = { auth: () => Promise.resolve(null), directory, world: counting };
    await new Images(docker.docker, options).close();
    expect(timers).toEqual([]);
    const images = new Images(docker.docker, { ...options, prune: { maxAgeMs: HOUR, everyMs: 20 } });
    const { use } = await pulled(images, 'prune/timer:1');
    laterMs = 2 * HOUR;
    await vi.waitFor(async () => expect(await isHere(use)).toBe(false), { timeout: 10_000 });
    await images.close();
  });

  it('goes on without the list when it is damaged, and says so', async () => {
    writeFileSync(join(directory, 'pulled_images.json'), '{"version": 7}');
    const warnings: string[] = [];
    const options = {
      auth: () => Promise.resolve(null),
      directory,
      warn: (text: string) => warnings.push(text),
    };
    const images = new Images(docker.docker, options);
    expect(await images.prune()).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^Cannot read the list of pulled images ".*not of this version/),
    ]);
    await images.close();
  });
});
