/** What is found at bid time, and pinned: on a real engine and a real registry. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ImageOptions, Images } from '../../../../mod/engine/docker/images/images.ts';
import { dockerd, dockerMissing, type TestDocker, type TestRegistry } from '../../../support/docker.ts';
import { manifestRequests, onlyAt, proxyOf, tooMany, uniqueImage } from './support.ts';

const found = await dockerd();
if (!found) console.log(dockerMissing());

describe.skipIf(!found)('images at bid time', () => {
  const docker = found as TestDocker;
  const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const OTHER = ARCH === 'amd64' ? 'arm64' : 'amd64';
  const never = new AbortController().signal;
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await docker.registry();
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
  });

  const imagesOf = (options: ImageOptions = {}) =>
    new Images(docker.docker, { auth: () => Promise.resolve(null), ...options });

  it('a local build without a registry digest is used, pinned by its id, and runs', async () => {
    const name = await uniqueImage(docker, ['CMD ["true"]']);
    const { Id, RepoDigests } = await docker.docker.images.inspect(name);
    expect(RepoDigests).toEqual([]);
    const images = imagesOf();
    expect(await images.check(name)).toBeNull();
    const pinned = await images.pin(name);
    expect(pinned).toEqual({ 'docker.image.id': Id });
    const lines: string[] = [];
    const use = await images.ensure(name, pinned, (line) => lines.push(line), never);
    expect([use, lines]).toEqual([Id, []]);
    expect(await images.seen(name, pinned)).toBe(use);
    expect(await imagesOf().seen(name, pinned)).toBeNull();
    const container = await docker.docker.containers.create({ Image: use });
    await docker.docker.containers.start(container.Id);
    expect((await docker.docker.containers.wait(container.Id, 'not-running').result).StatusCode).toBe(0);
    await docker.docker.containers.remove(container.Id, { force: true });
  });

  it('a build that its tag has left is still what the bid pinned', async () => {
    const name = await uniqueImage(docker, ['LABEL version=1']);
    const images = imagesOf();
    const pinned = await images.pin(name);
    await docker.image(name, ['LABEL version=2']);
    const use = await images.ensure(name, pinned, () => {}, never);
    expect((await docker.docker.images.inspect(use)).Config?.Labels?.version).toBe('1');
    expect((await docker.docker.images.inspect(name)).Config?.Labels?.version).toBe('2');
  });

  it('a removed build is an error of this node, since others may have it', async () => {
    const name = await uniqueImage(docker);
    const images = imagesOf();
    const pinned = await images.pin(name);
    await docker.docker.images.remove(name);
    await expect(images.ensure(name, pinned, () => {}, never)).rejects.toMatchObject({
      code: 'ImageNotFound',
      message: expect.stringMatching(/was here at bid time, has been removed/),
      details: { class: 'infrastructure', Image: name },
    });
  });

  it('ids name images of this host and nothing at a registry', async () => {
    const name = await uniqueImage(docker);
    const { Id } = await docker.docker.images.inspect(name);
    const images = imagesOf();
    for (const text of [Id, Id.slice(7), Id.slice(7, 19)]) {
      expect(await images.check(text)).toBeNull();
      expect(await images.pin(text)).toEqual({ 'docker.image.id': Id });
    }
    const absent = `sha256:${'0'.repeat(64)}`;
    expect(await images.check(absent)).toMatchObject({
      code: 'ImageNotFound',
      reason: `this node cannot use image "${absent}": no image with this id is on this node`,
    });
  });

  it('a moving tag that is here is used; with policy "always" the registry is asked', async () => {
    const name = 'moving/here:latest';
    const { ref, digest } = await registry.push(await uniqueImage(docker), name);
    const local = await docker.docker.images.inspect(ref);
    const newer = await uniqueImage(docker);
    const second = await registry.push(newer, name);
    expect(second.digest).not.toBe(digest);
    await docker.docker.images.tag(local.Id, ref.replace(/:latest$/, ''), 'latest');
    const asked = manifestRequests(registry).length;
    expect(await imagesOf().pin(ref)).toMatchObject({ 'docker.image.id': local.Id });
    expect(manifestRequests(registry).length).toBe(asked);
    expect(await imagesOf({ pullPolicy: 'always' }).pin(ref)).toEqual({
      'docker.image.digest': second.digest,
    });
    expect(manifestRequests(registry).length).toBeGreaterThan(asked);
  });

  it('with policy "never" only what is here counts', async () => {
    const { ref, digest } = await onlyAt(docker, registry, 'never/pulled:1');
    const images = imagesOf({ pullPolicy: 'never' });
    expect(await images.check(ref)).toEqual({
      code: 'ImageNotFound',
      reason: `this node cannot use image "${ref}": it is not on this node, which never pulls images`,
      hint: expect.stringMatching(/pull policy/),
      retryable: false,
      component: 'Docker',
      details: { Image: ref },
    });
    await expect(images.ensure(ref, { 'docker.image.digest': digest }, () => {}, never)).rejects
      .toMatchObject({ code: 'ImageNotFound', details: { class: 'infrastructure' } });
    expect(await imagesOf().check(ref)).toBeNull();
  });

  it('a reference by digest needs that digest, here or at the registry', async () => {
    const { ref, digest, id } = await onlyAt(docker, registry, 'by/digest:1');
    const name = ref.replace(/:1$/, '');
    const images = imagesOf();
    for (const text of [`${name}@${digest}`, `${ref}@${digest}`]) {
      expect(await images.check(text)).toBeNull();
      expect(await images.pin(text)).toEqual({ 'docker.image.digest': digest });
    }
    expect(await images.check(`${name}@sha256:${'1'.repeat(64)}`)).toMatchObject({ code: 'ImageNotFound' });
    const use = await images.ensure(`${name}@${digest}`, {}, () => {}, never);
    expect(use).toBe(`${name}@${digest}`);
    expect((await docker.docker.images.inspect(use)).Id).toBe(id);
    expect(await images.pin(`${name}@${digest}`)).toEqual({
      'docker.image.digest': digest,
      'docker.image.id': id,
    });
  });

  it('an image that nobody has is refused with its name and what to do', async () => {
    const ref = `${registry.address}/no/such:1`;
    expect(await imagesOf().check(ref)).toEqual({
      code: 'ImageNotFound',
      reason: expect.stringMatching(/^this node cannot use image ".*\/no\/such:1": .*manifest unknown/),
      hint: expect.stringMatching(/Check the name of the image; if it is private, log this node in/),
      retryable: false,
      component: 'Docker',
      details: { Image: ref },
    });
    await expect(imagesOf().ensure(ref, {}, () => {}, never)).rejects.toMatchObject({
      code: 'ImageNotFound',
      details: { class: 'user' },
    });
    expect(await imagesOf().check('Ubuntu::x')).toMatchObject({ code: 'ImageInvalid', retryable: false });
  });

  it('an image for another platform is refused plainly, here and at the registry', async () => {
    const image = await uniqueImage(docker);
    const { Id } = await docker.docker.images.inspect(image);
    const own = await registry.push(image, 'other/platform:own');
    await docker.docker.images.remove(own.ref);
    const pushed = await pushForOther(registry.address, 'other/platform', own.digest, OTHER);
    const text = (name: string) =>
      `this node cannot use image "${name}": it is for linux/${OTHER}, this node runs linux/${ARCH}`;

    await docker.docker.images.pull(pushed.ref, { platform: `linux/${OTHER}` }, () => {});
    for (const options of [{ pullPolicy: 'never' }, {}] as const) {
      expect(await imagesOf(options).check(pushed.ref)).toMatchObject({
        code: 'ImagePlatformMismatch',
        reason: text(pushed.ref),
      });
    }
    await docker.docker.images.remove(pushed.ref);
    const images = imagesOf();
    const asked = await images.check(pushed.ref);
    expect(asked).toMatchObject({
      code: 'ImagePlatformMismatch',
      reason: text(pushed.ref),
      retryable: false,
    });
    await expect(images.ensure(pushed.ref, {}, () => {}, never)).rejects
      .toMatchObject({ details: { class: 'infrastructure' } });

    // An index of both, and an attestation: the host's one is taken.
    const manifests = [[pushed.digest, OTHER, 'linux'], [own.digest, ARCH, 'linux'], [
      own.digest,
      'unknown',
      'unknown',
    ]];
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
      manifests: await Promise.all(manifests.map(async ([digest, architecture, os]) => ({
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        digest,
        size: await sizeOf(`http://${registry.address}/v2/other/platform/manifests/${digest}`),
        platform: { os, architecture },
      }))),
    });
    const answer = await fetch(`http://${registry.address}/v2/other/platform/manifests/both`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.docker.distribution.manifest.list.v2+json' },
      body: index,
    });
    expect(answer.status).toBe(201);
    const both = `${registry.address}/other/platform:both`;
    expect(await images.check(both)).toBeNull();
    const pinned = await images.pin(both);
    expect(pinned).toEqual({ 'docker.image.digest': answer.headers.get('docker-content-digest') });
    const use = await images.ensure(both, pinned, () => {}, never);
    expect((await docker.docker.images.inspect(use)).Id).toBe(Id);
  });

  it('a private image needs the right credentials', async () => {
    await using locked = await docker.registry({ auth: true });
    const { ref, digest, id } = await onlyAt(docker, locked, 'private/image:1');
    const none = await imagesOf().check(ref);
    expect(none).toMatchObject({
      code: 'Unauthorized',
      hint: expect.stringMatching(/docker login/),
      retryable: false,
    });
    const wrong = imagesOf({ auth: () => Promise.resolve({ ...locked.auth!, password: 'guess' }) });
    expect(await wrong.check(ref)).toMatchObject({
      code: 'Unauthorized',
      hint: expect.stringMatching(/credentials/),
    });
    await expect(wrong.ensure(ref, { 'docker.image.digest': digest }, () => {}, never)).rejects.toMatchObject(
      {
        details: { class: 'infrastructure' },
        hint: expect.stringMatching(/docker login/),
      },
    );
    const right = imagesOf({ auth: () => Promise.resolve(locked.auth) });
    expect(await right.check(ref)).toBeNull();
    const use = await right.ensure(ref, await right.pin(ref), () => {}, never);
    expect((await docker.docker.images.inspect(use)).Id).toBe(id);
  });

  it('asks the registry once for many bids, and a check and its pin once together', async () => {
    const { ref, digest } = await onlyAt(docker, registry, 'asked/once:1');
    const images = imagesOf();
    const before = manifestRequests(registry).length;
    expect(await images.check(ref)).toBeNull();
    const once = manifestRequests(registry).length - before;
    expect(once).toBeGreaterThan(0);
    const answers = await Promise.all(Array.from({ length: 20 }, () => images.pin(ref)));
    expect(new Set(answers.map((pinned) => pinned['docker.image.digest']))).toEqual(new Set([digest]));
    expect(manifestRequests(registry).length - before).toBe(once);
  });

  it('a registry that is away or limits requests may answer later', async () => {
    await using proxy = await proxyOf(registry.address);
    const { ref } = await onlyAt(docker, registry, 'limited/bid:1');
    const through = ref.replace(registry.address, proxy.address);
    proxy.hook = (_request, response) => tooMany(response);
    expect(await imagesOf().check(through)).toMatchObject({ code: 'RateLimited', retryable: true });
    proxy.hook = () => false;
    expect(await imagesOf().check(through)).toBeNull();
    await proxy[Symbol.asyncDispose]();
    expect(await imagesOf().check(through)).toMatchObject({
      code: 'Unavailable',
      retryable: true,
      reason: expect.stringMatching(/connection refused/),
      hint: expect.stringMatching(/reach the image's registry/),
    });
  });

  it('a tag whose registry is away stands for what was pulled for it before', async () => {
    await using proxy = await proxyOf(registry.address);
    const { ref, digest, id } = await onlyAt(docker, registry, 'away/later:1');
    const through = ref.replace(registry.address, proxy.address);
    const images = imagesOf({ manifestCache: { ttlMs: 0 } });
    await images.ensure(through, await images.pin(through), () => {}, never);
    await proxy[Symbol.asyncDispose]();
    expect(await images.check(through)).toBeNull();
    expect(await images.pin(through)).toEqual({ 'docker.image.digest': digest, 'docker.image.id': id });
  });
});

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

async function sizeOf(url: string): Promise<number> {
  return (await (await fetch(url, { headers: { accept: MANIFEST } })).arrayBuffer()).byteLength;
}

/** The same layers under a configuration that names another architecture, pushed by hand as tag `other`. */
async function pushForOther(
  address: string,
  name: string,
  digest: string,
  architecture: string,
): Promise<{ ref: string; digest: string }> {
  const base = `http://${address}/v2/${name}`;
  const get = async (path: string) =>
    await (await fetch(`${base}/${path}`, { headers: { accept: MANIFEST } })).json();
  const manifest = await get(`manifests/${digest}`);
  const config = JSON.stringify({ ...await get(`blobs/${manifest.config.digest}`), architecture });
  const configDigest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
  const upload = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const place = new URL(upload.headers.get('location')!, base);
  place.searchParams.set('digest', configDigest);
  const type = { 'content-type': 'application/octet-stream' };
  expect((await fetch(place, { method: 'PUT', headers: type, body: config })).status).toBe(201);
  const answer = await fetch(`${base}/manifests/other`, {
    method: 'PUT',
    headers: { 'content-type': MANIFEST },
    body: JSON.stringify({
      ...manifest,
      config: { ...manifest.config, digest: configDigest, size: config.length },
    }),
  });
  expect(answer.status).toBe(201);
  return { ref: `${address}/${name}:other`, digest: answer.headers.get('docker-content-digest')! };
}
