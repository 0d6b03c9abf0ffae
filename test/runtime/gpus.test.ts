/** Discovery of graphics cards with fake vendor tools on the search path (test/fixtures/gpu). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import process from 'node:process';
import { afterEach, expect, it, vi } from 'vitest';
import { discoverGpus, type FoundGpu } from '../../runtime/gpus.ts';
import { processAlive } from '../../runtime/process.ts';

const FIXTURES = resolve(import.meta.dirname!, '../fixtures/gpu');

async function on(machine: string | string[], timeoutMs = 10_000): Promise<[readonly FoundGpu[], string[]]> {
  const warnings: string[] = [];
  const path = [machine].flat().map((name) => join(FIXTURES, name)).join(delimiter);
  const found = await discoverGpus({ path, timeoutMs, warn: (text) => warnings.push(text) });
  return [found, warnings];
}

afterEach(() => {
  vi.unstubAllEnvs();
});

it('lists NVIDIA cards with address and uuid', async () => {
  expect(await on('nvidia')).toEqual([[
    {
      index: 0,
      name: 'Tesla T4',
      vendor: 'NVIDIA',
      memoryMiB: 15360,
      pciAddress: '0000:00:1e.0',
      uuid: 'GPU-4d2f4f2c-95a4-3c22-a1a5-1a5e1c2f90f0',
    },
    {
      index: 1,
      name: 'Tesla T1',
      vendor: 'NVIDIA',
      memoryMiB: 12345,
      pciAddress: '0001:3b:00.0',
      uuid: 'GPU-9be0a7a7-0f3c-9a53-a0c6-0e6c8d6f1b11',
    },
  ], []]);
});

it('falls back to the documented call where a driver refuses the richer one', async () => {
  expect(await on('nvidia_old')).toEqual([[
    { index: 0, name: 'GeForce GTX 680', vendor: 'NVIDIA', memoryMiB: 2048, pciAddress: '' },
  ], []]);
});

it('reads a card without memory of its own and a name with a comma, by index', async () => {
  const [found, warnings] = await on('nvidia_odd');
  expect(warnings).toEqual([]);
  expect(found.map(({ index, name, memoryMiB, pciAddress }) => [index, name, memoryMiB, pciAddress])).toEqual(
    [
      [0, 'NVIDIA GB10', 0, '000f:01:00.0'],
      [1, 'Weird, Card', 8192, '0000:af:00.0'],
    ],
  );
});

it('lists AMD cards, whose numbers may have gaps', async () => {
  expect(await on('amd')).toEqual([[
    { index: 0, name: 'Instinct MI210', vendor: 'AMD/ATI', memoryMiB: 65520, pciAddress: '0000:e7:00.0' },
    { index: 2, name: 'Instinct MI210', vendor: 'AMD/ATI', memoryMiB: 8190, pciAddress: '0000:e8:00.0' },
  ], []]);
});

it('reads the keys of ROCm 6 behind a warning', async () => {
  expect(await on('rocm6')).toEqual([[
    {
      index: 0,
      name: 'AMD Radeon PRO W7900',
      vendor: 'AMD/ATI',
      memoryMiB: 46064,
      pciAddress: '0000:03:00.0',
    },
  ], []]);
});

it('lists Intel cards and asks each for its memory', async () => {
  const [found, warnings] = await on('intel');
  expect(warnings).toEqual([]);
  expect(found).toEqual([
    {
      index: 0,
      name: 'Intel Corporation Device 56c1 (rev 05)',
      vendor: 'Intel',
      memoryMiB: 5068,
      pciAddress: '0000:e9:00.0',
      uuid: '00000000-0000-0000-9fa4-990c9e0150e4',
    },
    {
      index: 1,
      name: 'Intel Corporation Device 56c1 (rev 05)',
      vendor: 'Intel',
      memoryMiB: 15473,
      pciAddress: '0000:ea:00.0',
      uuid: '00000000-0000-0000-99d0-827e7a3952af',
    },
  ]);
});

it('finds the cards of several vendors in one machine', async () => {
  const [found] = await on(['intel', 'amd', 'nvidia']);
  expect(found.map(({ vendor, index }) => `${vendor} ${index}`)).toEqual([
    'NVIDIA 0',
    'NVIDIA 1',
    'AMD/ATI 0',
    'AMD/ATI 2',
    'Intel 0',
    'Intel 1',
  ]);
});

it('takes an absent tool, and one that knows no card, as none without a word', async () => {
  expect(await on('absent')).toEqual([[], []]);
  expect(await on('no_device')).toEqual([[], []]);
});

it('warns of a tool that fails and of output that cannot be read, and keeps the other vendors', async () => {
  const [found, warnings] = await on('broken');
  expect(found).toEqual([]);
  const of = (tool: string) => warnings.find((text) => text.includes(join(FIXTURES, 'broken', tool)));
  expect(of('nvidia-smi')).toMatch(/^Cannot list NVIDIA GPUs with .* it ended with 9: NVIDIA-SMI has failed/);
  expect(of('rocm-smi')).toMatch(/^Cannot list AMD\/ATI GPUs with .*output cannot be read: .*Instinct MI210/);
  expect(of('xpu-smi')).toMatch(/^Cannot list Intel GPUs with .*output cannot be read: .*\[1, 2\]/);
  expect((await on(['intel', 'broken']))[0].map(({ vendor }) => vendor)).toEqual(['Intel', 'Intel']);
});

it('ends a tool that hangs or never stops printing, with what it started', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpus-'));
  vi.stubEnv('GPU_TEST_FOLDER', folder);
  const [found, warnings] = await on('hanging', 500);
  expect(found).toEqual([]);
  expect(warnings.sort()).toEqual([
    expect.stringMatching(/AMD\/ATI GPUs.*printed more than 4 MiB/),
    expect.stringMatching(/NVIDIA GPUs.*no answer within 0.5 s/),
  ]);
  const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
  await vi.waitFor(() => expect(processAlive(child)).toBe(false));
  rmSync(folder, { recursive: true });
});

it('looks on PATH by default, never in the current folder', async () => {
  vi.stubEnv('PATH', `.${delimiter}${join(FIXTURES, 'amd')}${delimiter}${process.env.PATH}`);
  expect((await discoverGpus()).map(({ name }) => name)).toEqual(['Instinct MI210', 'Instinct MI210']);
});
