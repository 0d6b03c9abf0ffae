import { expect, it } from 'vitest';
import { ManifestCache } from '../../../../mod/engine/docker/images/manifest_cache.ts';
import { realWorld } from '../../../../runtime/world.ts';

const manifest = (digest: string) => ({ Descriptor: { mediaType: '', digest, size: 1 }, Platforms: [] });

/** A cache on a clock of its own; `asked` tells which images were asked for. */
function cacheOf(options: { size?: number; ttlMs?: number; refreshMs?: number }) {
  const clock = { ms: 0 };
  const cache = new ManifestCache({ ...realWorld, elapsed: () => clock.ms }, options);
  const asked: string[] = [];
  const get = async (image: string, fresh = false) => {
    const ask = () => {
      asked.push(image);
      return Promise.resolve(manifest(image));
    };
    return (await cache.get(image, ask, fresh)).Descriptor.digest;
  };
  return { cache, clock, asked, get };
}

it('forgets the least recently used first', async () => {
  const { asked, get, cache } = cacheOf({ size: 2 });
  for (const image of ['a', 'b', 'a', 'c', 'a', 'b']) expect(await get(image)).toBe(image);
  expect(asked).toEqual(['a', 'b', 'c', 'b']);
  expect(cache.size).toBe(2);
});

it('serves nothing beyond its time, and remembers nothing with size 0', async () => {
  const { asked, get, clock } = cacheOf({ ttlMs: 1000 });
  await get('a');
  clock.ms = 999;
  await get('a');
  expect(asked).toEqual(['a']);
  clock.ms = 1000;
  await get('a');
  expect(asked).toEqual(['a', 'a']);
  const none = cacheOf({ size: 0 });
  await none.get('a');
  await none.get('a');
  expect(none.asked).toEqual(['a', 'a']);
});

it('throws out what has expired at every refresh', async () => {
  const { get, clock, cache } = cacheOf({ ttlMs: 100, refreshMs: 500 });
  await get('a');
  await get('b');
  clock.ms = 400;
  await get('c');
  expect(cache.size).toBe(3);
  clock.ms = 500;
  await get('d');
  expect(cache.size).toBe(1);
});

it('asks again when a fresh answer is wanted', async () => {
  const { asked, get } = cacheOf({});
  await get('a');
  await get('a', true);
  await get('a');
  expect(asked).toEqual(['a', 'a']);
});

it('shares one request among those who ask at the same time', async () => {
  const { cache } = cacheOf({});
  let calls = 0;
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof manifest>>();
  const ask = () => {
    calls++;
    return promise;
  };
  const all = Promise.all([1, 2, 3].map(() => cache.get('a', ask)));
  resolve(manifest('x'));
  expect((await all).map(({ Descriptor }) => Descriptor.digest)).toEqual(['x', 'x', 'x']);
  expect(calls).toBe(1);
});

it('remembers a failure for seconds only', async () => {
  const { cache, clock, get } = cacheOf({});
  const failing = () => cache.get('a', () => Promise.reject(new Error('not there')));
  await expect(failing()).rejects.toThrow('not there');
  clock.ms = 4_999;
  await expect(get('a')).rejects.toThrow('not there');
  clock.ms = 5_000;
  expect(await get('a')).toBe('a');
});
