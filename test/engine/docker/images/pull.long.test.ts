/** Pulls of pinned images: on a real engine and a real registry, behind a proxy where one has to misbehave. */
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ImageOptions, Images } from '../../../../mod/engine/docker/images/images.ts';
import { dockerd, dockerMissing, type TestDocker, type TestRegistry } from '../../../support/docker.ts';
import {
  blobRequests,
  manifestRequests,
  onlyAt,
  type Proxy,
  proxyOf,
  tooMany,
  uniqueImage,
} from './support.ts';

const found = await dockerd();
if (!found) console.log(dockerMissing());

describe.skipIf(!found)('pulls', () => {
  const docker = found as TestDocker;
  const never = new AbortController().signal;
  let registry: TestRegistry;
  let proxy: Proxy;

  beforeAll(async () => {
    registry = await docker.registry();
    proxy = await proxyOf(registry.address);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const imagesOf = (options: ImageOptions = {}) =>
    new Images(docker.docker, { auth: () => Promise.resolve(null), ...options });
  const viaProxy = (ref: string) => ref.replace(registry.address, proxy.address);
  const isHere = (ref: string) => docker.docker.images.inspect(ref).then(() => true, () => false);

  /** The proxy keeps layers back for ever, and knows which clients still wait. */
  function stallLayers() {
    const waiting = new Set<ServerResponse>();
    let begun = 0;
    proxy.stall = {
      bytes: 65_536,
      onStall(response) {
        begun++;
        waiting.add(response);
        response.on('close', () => waiting.delete(response));
      },
    };
    return {
      waiting,
      begun: () => begun,
      /** dockerd 20.10 notices that a pull was cancelled when the next bytes come, so some have to. */
      async abandoned() {
        await vi.waitFor(() => {
          for (const response of waiting) response.write(new Uint8Array(512));
          expect(waiting.size).toBe(0);
        }, { timeout: 10_000 });
      },
      [Symbol.asyncDispose]() {
        proxy.stall = null;
        for (const response of waiting) response.destroy();
        return Promise.resolve();
      },
    };
  }

  it('gives what the bid pinned although the tag moves in the registry meanwhile', async () => {
    const first = await onlyAt(docker, registry, 'moves/on:latest', ['LABEL version=1']);
    const images = imagesOf();
    expect(await images.check(first.ref)).toBeNull();
    const pinned = await images.pin(first.ref);
    expect(pinned).toEqual({ 'docker.image.digest': first.digest });
    const second = await onlyAt(docker, registry, 'moves/on:latest', ['LABEL version=2']);
    expect(second.digest).not.toBe(first.digest);
    const use = await images.ensure(first.ref, pinned, () => {}, never);
    expect(use).toBe(`${first.ref.replace(/:latest$/, '')}@${first.digest}`);
    expect((await docker.docker.images.inspect(use)).Config?.Labels?.version).toBe('1');
    const { Id } = await docker.docker.containers.create({ Image: use });
    expect((await docker.docker.containers.inspect(Id)).Image).toBe(first.id);
    await docker.docker.containers.remove(Id);
    // The tag itself was not taken along: the next bid sees where it is now.
    expect(await imagesOf().pin(first.ref)).toEqual({ 'docker.image.digest': second.digest });
  });

  it('tells where it is: start, amounts, end', async () => {
    const { ref, digest } = await onlyAt(docker, registry, 'tells/progress:1');
    const lines: [string, Record<string, string>][] = [];
    const images = imagesOf({ progressMs: 0 });
    await images.ensure(
      ref,
      await images.pin(ref),
      (text, details) => lines.push([text, { ...details }]),
      never,
    );
    expect(lines[0]![0]).toMatch(new RegExp(`^Pulling image "${ref}" for linux/`));
    expect(lines.map(([text]) => text)).toContainEqual(
      expect.stringMatching(/^Pulling image ".*": 0 of 1 layers, \d\.\d of [1-9]\d*\.\d MiB|0\.\d MiB$/),
    );
    const [text, details] = lines.at(-1)!;
    expect(text).toMatch(/^Pulled image ".*" in \d+\.\d s: \d+\.\d MiB$/);
    expect(details).toMatchObject({ Image: ref, Digest: digest, Layers: '1', LayersDone: '1' });
    expect(Number(details.BytesDone)).toBeGreaterThan(500_000);
    expect(details.BytesDone).toBe(details.BytesTotal);

    const again: string[] = [];
    await images.ensure(ref, { 'docker.image.digest': digest }, (line) => again.push(line), never);
    expect(again).toEqual([]);
  });

  it('says no more than a line a second between start and end', async () => {
    const { ref } = await onlyAt(docker, registry, 'tells/little:1');
    const lines: string[] = [];
    await imagesOf({ progressMs: 60_000 }).ensure(ref, {}, (text) => lines.push(text), never);
    expect(lines.length).toBe(2);
  });

  it('fetches an image once for all who want it', async () => {
    const { ref, id } = await onlyAt(docker, registry, 'many/want:1');
    const images = imagesOf();
    const pinned = await images.pin(ref);
    const before = blobRequests(registry).length;
    const manifests = manifestRequests(registry).length;
    const told = new Set<number>();
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, n) => images.ensure(ref, pinned, () => told.add(n), never)),
    );
    expect(new Set(all).size).toBe(1);
    expect((await docker.docker.images.inspect(all[0]!)).Id).toBe(id);
    // The configuration and the layer.
    expect(blobRequests(registry).length - before).toBe(2);
    // The engine shares layers by itself, but asks for the manifest in every pull that it is asked for.
    expect(manifestRequests(registry).length - manifests).toBeLessThanOrEqual(2);
    expect(told.size).toBe(8);
  });

  it('a cancel ends it at once, and the engine stops fetching', async () => {
    await using stalled = stallLayers();
    const { ref } = await onlyAt(docker, registry, 'cancel/me:1');
    const stop = new AbortController();
    const images = imagesOf();
    const pull = images.ensure(viaProxy(ref), {}, () => {}, stop.signal);
    pull.catch(() => {});
    await vi.waitFor(() => expect(stalled.waiting.size).toBeGreaterThan(0), { timeout: 10_000 });
    // The layer never comes: what ends the pull is the cancel.
    stop.abort(new Error('the job was stopped'));
    await expect(pull).rejects.toThrow('the job was stopped');
    await stalled.abandoned();
    expect(await isHere(viaProxy(ref))).toBe(false);
    // And it can be had later.
    proxy.stall = null;
    await images.ensure(viaProxy(ref), {}, () => {}, never);
    expect(await isHere(viaProxy(ref))).toBe(true);
  });

  it('who leaves does not end it for the others; the last one does', async () => {
    await using stalled = stallLayers();
    const { ref } = await onlyAt(docker, registry, 'leave/early:1');
    const stops = [new AbortController(), new AbortController()];
    const images = imagesOf();
    const told = new Set<number>();
    const pulls = stops.map(({ signal }, n) => images.ensure(viaProxy(ref), {}, () => told.add(n), signal));
    pulls.forEach((pull) => pull.catch(() => {}));
    await vi.waitFor(() => expect([told.size, stalled.waiting.size]).toEqual([2, 1]), { timeout: 10_000 });
    stops[0]!.abort(new Error('first'));
    await expect(pulls[0]).rejects.toThrow('first');
    expect([stalled.waiting.size, stalled.begun()]).toEqual([1, 1]);
    stops[1]!.abort(new Error('second'));
    await expect(pulls[1]).rejects.toThrow('second');
    await stalled.abandoned();
  });

  it('waits when a registry limits requests, says so, and gets it in the end', async () => {
    const { ref } = await onlyAt(docker, registry, 'limited/run:1');
    let refusals = 0;
    proxy.hook = (request, response) =>
      /\/manifests\//.test(request.url!) && refusals++ < 3 && tooMany(response);
    const lines: string[] = [];
    const images = imagesOf({ retry: { firstMs: 20 } });
    const use = await images.ensure(viaProxy(ref), {}, (text) => lines.push(text), never);
    proxy.hook = () => false;
    expect(await isHere(use)).toBe(true);
    expect(refusals).toBeGreaterThan(3);
    expect(lines.filter((line) => /its registry limits requests; next try in \d+\.\d s/.test(line)).length)
      .toBeGreaterThan(0);
    expect(lines.at(-1)).toMatch(/^Pulled image/);
  });

  it('gives up on a registry that keeps refusing: a fault of the infrastructure', async () => {
    const { ref } = await onlyAt(docker, registry, 'limited/always:1');
    proxy.hook = (_request, response) => tooMany(response);
    const images = imagesOf({ retry: { firstMs: 5, giveUpMs: 60 } });
    await expect(images.ensure(viaProxy(ref), {}, () => {}, never)).rejects.toMatchObject({
      code: 'RateLimited',
      retryable: true,
      details: { class: 'infrastructure', Image: viaProxy(ref) },
      hint: expect.stringMatching(/raises the limit/),
    });
    proxy.hook = () => false;
  });

  it('gives up on a registry that is away, after trying again', async () => {
    const gone = await proxyOf(registry.address);
    await gone[Symbol.asyncDispose]();
    const lines: string[] = [];
    const images = imagesOf({ retry: { firstMs: 5, giveUpMs: 100 } });
    const ref = `${gone.address}/away/image:1`;
    await expect(images.ensure(ref, {}, (text) => lines.push(text), never)).rejects.toMatchObject({
      code: 'Unavailable',
      details: { class: 'infrastructure' },
      hint: expect.stringMatching(/reach the image's registry/),
    });
    expect(lines.filter((line) => /its registry is away/.test(line)).length).toBeGreaterThan(1);
  });

  it('a cancel during a pause ends it at once, too', async () => {
    proxy.hook = (_request, response) => tooMany(response);
    const stop = new AbortController();
    const lines: string[] = [];
    const images = imagesOf({ retry: { firstMs: 60_000 } });
    const pull = images.ensure(
      viaProxy(`${registry.address}/a/b:1`),
      {},
      (text) => lines.push(text),
      stop.signal,
    );
    pull.catch(() => {});
    await vi.waitFor(() => expect(lines.some((line) => /next try/.test(line))).toBe(true), {
      timeout: 10_000,
    });
    stop.abort(new Error('stopped'));
    await expect(pull).rejects.toThrow('stopped');
    proxy.hook = () => false;
  });

  it('closing ends what is under way', async () => {
    await using stalled = stallLayers();
    const { ref } = await onlyAt(docker, registry, 'node/stops:1');
    const images = imagesOf();
    const pull = images.ensure(viaProxy(ref), {}, () => {}, never);
    pull.catch(() => {});
    await vi.waitFor(() => expect(stalled.waiting.size).toBeGreaterThan(0), { timeout: 10_000 });
    await images.close();
    await expect(pull).rejects.toMatchObject({ code: 'Cancelled' });
    await images.close();
  });

  it('an image that is on this host under another name costs no layer', async () => {
    const image = await uniqueImage(docker);
    const { ref } = await registry.push(image, 'shared/layers:1');
    await docker.docker.images.remove(ref);
    const before = blobRequests(registry).length;
    const use = await imagesOf().ensure(ref, {}, () => {}, never);
    expect((await docker.docker.images.inspect(use)).Id).toBe((await docker.docker.images.inspect(image)).Id);
    expect(blobRequests(registry).length - before).toBeLessThanOrEqual(1);
  });
});
