import { expect, it } from 'vitest';
import { isUnknown, normalize, platformText, runsOn } from '../../../../mod/engine/docker/images/platform.ts';

const platform = (text: string) => {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, ...(variant && { variant }) };
};

it.each([
  ['linux/x86_64', 'linux/amd64'],
  ['Linux/AMD64', 'linux/amd64'],
  ['linux/amd64/v1', 'linux/amd64'],
  ['linux/aarch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/armv7l', 'linux/arm/v7'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/arm/7', 'linux/arm/v7'],
  ['linux/armv6l', 'linux/arm/v6'],
  ['linux/i686', 'linux/386'],
  ['linux/s390x', 'linux/s390x'],
])('%s is written %s', (text, canonical) => {
  expect(platformText(platform(text))).toBe(canonical);
  expect(normalize(normalize(platform(text)))).toEqual(normalize(platform(text)));
});

it.each([
  ['linux/x86_64', 'linux/amd64', true],
  ['linux/arm64/v8', 'linux/aarch64', true],
  ['linux/arm/v6', 'linux/armv7l', true],
  ['linux/arm/v7', 'linux/armv6l', false],
  ['linux/arm', 'linux/armv6l', true],
  ['linux/arm64', 'linux/amd64', false],
  ['windows/amd64', 'linux/amd64', false],
  ['linux/arm/v7', 'linux/arm64', false],
])('an image for %s on %s: %s', (image, host, expected) => {
  expect(runsOn(platform(image), platform(host))).toBe(expected);
});

it('knows what is not known', () => {
  expect(['unknown/unknown', '/', 'linux/'].map((text) => isUnknown(platform(text)))).toEqual([
    true,
    true,
    true,
  ]);
  expect(isUnknown(platform('linux/amd64'))).toBe(false);
});
