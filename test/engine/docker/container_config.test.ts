/** What of a run reaches the engine, where no engine is needed to see it. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  containerConfig,
  type ContainerPlan,
  networkKind,
} from '../../../mod/engine/docker/container_config.ts';
import { factsOf } from '../../../mod/engine/docker/facts.ts';
import { gpuFields } from '../../../mod/engine/docker/gpus.ts';
import type { DockerInfo } from '../../../runtime/docker/mod.ts';

const facts = {
  swapLimit: true,
  pidsLimit: true,
  storageSize: true,
  logDriver: 'local',
  liveRestore: false,
  osType: 'linux',
} as const;

function plan(change: Partial<ContainerPlan> = {}): ContainerPlan {
  return {
    request: {
      executionId: 'e-1',
      jobId: 'j-1',
      runNo: 1,
      task: { Name: 'main', Engine: null, Publisher: null },
      env: { A: '1' },
      resources: { Memory: 100_000_000, Disk: 5_000 },
      inputs: [],
      outputs: [],
      directory: '/d',
      logPath: '/d/log',
      logLimit: 10,
    },
    params: { image: 'a', env: [['A', '2'], ['http_proxy', 'mine']], ulimits: [] },
    image: 'sha256:1',
    installation: { nodeId: 'n', installId: 'i' },
    hardening: {},
    facts,
    gpus: {},
    network: { kind: 'none' },
    byHandle: false,
    ...change,
  };
}

it('the proxy of an HTTP network wins over the spec, which wins over the task', () => {
  const { Env, HostConfig } = containerConfig(plan({
    network: { kind: 'http', networkMode: 'container:1', env: { http_proxy: 'http://127.0.0.1:1' } },
  }));
  expect(Env).toEqual(['A=2', 'http_proxy=http://127.0.0.1:1']);
  expect(HostConfig).toMatchObject({ NetworkMode: 'container:1' });
  expect(HostConfig).not.toHaveProperty('ExtraHosts');
});

it('asks for nothing that the engine cannot do', () => {
  const HostConfig = containerConfig(plan({
    facts: { ...facts, swapLimit: false, pidsLimit: false, storageSize: false, logDriver: null },
  })).HostConfig!;
  for (const key of ['MemorySwap', 'PidsLimit', 'StorageOpt', 'LogConfig']) {
    expect(HostConfig).not.toHaveProperty(key);
  }
  expect(containerConfig(plan()).HostConfig).toMatchObject({
    MemorySwap: 100_000_000,
    PidsLimit: 4096,
    StorageOpt: { size: '5000' },
    LogConfig: { Type: 'local', Config: { 'max-size': '1m' } },
  });
});

it('every confinement can be switched off', () => {
  const { HostConfig, MacAddress } = containerConfig(plan({
    hardening: { noNewPrivileges: false, pidsLimit: 0, dropCapabilities: [], hostGateway: false },
    network: { kind: 'bridge', macAddress: '02:42:00:00:00:01' },
  }));
  for (const key of ['SecurityOpt', 'PidsLimit', 'CapDrop', 'ExtraHosts']) {
    expect(HostConfig).not.toHaveProperty(key);
  }
  expect(MacAddress).toBe('02:42:00:00:00:01');
});

it('publishes ports on the bridge alone', () => {
  const ports = [{ Name: 'a', Static: 20001 }, { Name: 'b', Static: 20002, Target: 80, HostNetwork: '::1' }];
  const request = { ...plan().request, ports };
  expect(containerConfig(plan({ request, network: { kind: 'bridge' } }))).toMatchObject({
    ExposedPorts: { '20001/tcp': {}, '80/tcp': {} },
    HostConfig: {
      PortBindings: {
        '20001/tcp': [{ HostIp: '0.0.0.0', HostPort: '20001' }],
        '80/tcp': [{ HostIp: '::1', HostPort: '20002' }],
      },
    },
  });
  expect(containerConfig(plan({ request, network: { kind: 'host' } }))).not.toHaveProperty('ExposedPorts');
});

it('reads the networks of the original', () => {
  expect((['Default', 'None', 'Host', 'Full', 'HTTP', 'Bridge'] as const).map(networkKind))
    .toEqual(['bridge', 'none', 'host', 'host', 'http', 'bridge']);
  expect(networkKind(undefined)).toBe('bridge');
});

it('reads what an engine can do', () => {
  const info = {
    Driver: 'overlay2',
    DriverStatus: [['Backing Filesystem', 'xfs']],
    SwapLimit: true,
    OSType: 'linux',
    Plugins: { Log: ['json-file', 'local'] },
  } as unknown as DockerInfo;
  expect(factsOf(info)).toEqual(facts);
  expect(
    factsOf({ ...info, DriverStatus: [['Backing Filesystem', 'extfs']], Plugins: { Log: ['k8s-file'] } }),
  )
    .toMatchObject({ storageSize: false, logDriver: null });
});

const card = { Index: 1, Name: 'A', Memory: 1, PCIAddress: '0000:01:00.0' };

it('hands NVIDIA cards over by their stable id, else by number', async () => {
  const gpus = [{ ...card, Vendor: 'NVIDIA' }, { ...card, Vendor: 'NVIDIA', Index: 2 }];
  expect(await gpuFields(gpus, { uuidOf: ({ Index }) => Index === 1 ? 'GPU-x' : undefined })).toEqual({
    DeviceRequests: [{ DeviceIDs: ['GPU-x', '2'], Capabilities: [['gpu']] }],
  });
});

it('hands the devices of AMD and Intel cards over by their address', async () => {
  const devices = mkdtempSync(join(tmpdir(), 'dev-'));
  try {
    mkdirSync(join(devices, 'dri', 'by-path'), { recursive: true });
    for (const [kind, name] of [['card', 'card3'], ['render', 'renderD130']]) {
      writeFileSync(join(devices, 'dri', name!), '');
      symlinkSync(`../${name}`, join(devices, 'dri', 'by-path', `pci-0000:01:00.0-${kind}`));
    }
    const paths = async (Vendor: string) =>
      (await gpuFields([{ ...card, Vendor }], { devices })).Devices?.map((device) => device.PathOnHost);
    const dri = [join(devices, 'dri', 'card3'), join(devices, 'dri', 'renderD130')];
    expect(await paths('AMD/ATI')).toEqual([join(devices, 'kfd'), ...dri]);
    expect(await paths('Intel')).toEqual(dri);
    await expect(gpuFields([{ ...card, Vendor: 'Intel', PCIAddress: '0000:02:00.0' }], { devices }))
      .rejects.toMatchObject({ code: 'GpuUnavailable', details: { class: 'infrastructure' } });
    await expect(paths('Other')).rejects.toMatchObject({ code: 'GpuUnavailable' });
  } finally {
    rmSync(devices, { recursive: true });
  }
});
