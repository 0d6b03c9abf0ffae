import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  allKeys,
  type Config,
  configRows,
  configToRest,
  dataDirLayout,
  describeOrigin,
  findKey,
  loadConfig,
  refuseUnprotected,
  type Sources,
} from '../../mod/config/mod.ts';

const host = { home: '/home/me', cpus: 3 };

function load(sources: Sources = {}, files: Record<string, string> = {}) {
  return loadConfig({
    env: {},
    cwd: '/work',
    host,
    readText: (path) => Promise.resolve(files[path] ?? null),
    ...sources,
  });
}
async function failure(sources: Sources, files: Record<string, string> = {}): Promise<string> {
  return await load(sources, files).then(() => 'accepted', (error: Error) => error.message);
}

describe('precedence', () => {
  const files = { '/a.yaml': 'api: {port: 1, host: file}', '/b.yaml': 'API: {Port: 2}' };
  const env = { BACALHAU_API_PORT: '3' };
  const flags = { 'API.Port': { flag: '--api-port', value: 4 } };
  it.each<[string, Sources, number, string]>([
    ['default', {}, 1234, 'default'],
    ['file', { settings: ['/a.yaml'] }, 1, '/a.yaml:1'],
    ['later file', { settings: ['/a.yaml', '/b.yaml'] }, 2, '/b.yaml:1'],
    ['environment', { settings: ['/b.yaml'], env }, 3, 'BACALHAU_API_PORT'],
    ['flag', { settings: ['/b.yaml'], env, flags }, 4, '--api-port'],
    ['-c', { settings: ['API.Port=6', 'api.port=5', '/b.yaml'], env, flags }, 5, '-c'],
  ])('%s', async (_name, sources, port, origin) => {
    const { config, origins } = await load(sources, files);
    expect(config.API.Port).toBe(port);
    expect(describeOrigin(origins.get('API.Port')!)).toBe(origin);
    if (sources.settings?.includes('/a.yaml')) expect(config.API.Host).toBe('file');
  });

  it('reads the default file of the data directory that the other sources name, unless -c names a file', async () => {
    const both = { '/data/config.yaml': 'NameProvider: uuid', '/x.yaml': '{}' };
    const flag = { DataDir: { flag: '--data-dir', value: '../data' } };
    const found = await load({ flags: flag }, both);
    expect(found.config).toMatchObject({ NameProvider: 'uuid', DataDir: '/data' });
    expect(found.files).toEqual(['/data/config.yaml']);
    expect((await load({ flags: flag, settings: ['/x.yaml'] }, both)).config.NameProvider).toBe('puuid');
    expect((await load({ flags: flag, defaultFile: false }, both)).config.NameProvider).toBe('puuid');
  });

  it('lets BACALHAU_DATADIR win over BACALHAU_DIR and takes an empty variable as unset', async () => {
    expect((await load({ env: { BACALHAU_DIR: '/a', BACALHAU_DATADIR: '/b' } })).config.DataDir).toBe('/b');
    expect((await load({ env: { BACALHAU_DIR: '/a', BACALHAU_DATADIR: '' } })).config.DataDir).toBe('/a');
  });
});

describe('values', () => {
  it('are typed and frozen, durations in milliseconds, machine-dependent defaults filled in', async () => {
    const { config } = await load();
    const interval: number = config.Compute.Heartbeat.Interval;
    const compatibility: '' | '1.9' = config.Compatibility;
    expect([interval, compatibility]).toEqual([15_000, '']);
    expect(config.Orchestrator.Scheduler).toMatchObject({ WorkerCount: 3, DefaultQueueTimeout: 3_600_000 });
    expect(config.DataDir).toBe('/home/me/.bacalhau');
    expect(() => (config.Compute.Orchestrators as string[]).push('x')).toThrow(TypeError);
  });

  it('come from texts by their type', async () => {
    const { config } = await load({
      settings: [
        'Compute.Enabled',
        'Compute.Logs.MaxSize=1Mi',
        'Labels=a=b,C=d',
        'compute.heartbeat.interval=1m30s',
      ],
      env: {
        BACALHAU_COMPUTE_ORCHESTRATORS: 'nats://a:1, b',
        BACALHAU_WEBUI_ENABLED: 'T',
        LOG_LEVEL: 'WARN',
      },
    });
    expect(config.Compute).toMatchObject({
      Enabled: true,
      Logs: { MaxSize: 1048576 },
      Heartbeat: { Interval: 90_000 },
      Orchestrators: ['nats://a:1', 'b'],
    });
    expect(config.Labels).toEqual({ a: 'b', C: 'd' });
    expect(config.WebUI.Enabled).toBe(true);
    expect(config.Logging.Level).toBe('warn');
  });

  it('come from files with weak types; keys of maps keep their case, words like "yes" stay texts', async () => {
    const text = `
labels: {Zone: eu, Spot: yes, n: 1}
compute:
  alloWlistedlocalpaths: /data
  enabled: yes
  allocatedCapacity: {CPU: 2}
  heartbeat: {interval: 3s}
api:
  auth:
    users: [{username: alice, password: p, capabilities: [{actions: ['read:*']}]}]
    methods: {Own: {type: ask, policypath: /p}}
`;
    const { config } = await load({ settings: ['/a.yaml'] }, { '/a.yaml': text });
    expect(config.Labels).toEqual({ Zone: 'eu', Spot: 'yes', n: '1' });
    expect(config.Compute).toMatchObject({
      AllowListedLocalPaths: ['/data'],
      Enabled: true,
      AllocatedCapacity: { CPU: '2', Memory: '80%' },
      Heartbeat: { Interval: 3000 },
    });
    expect(config.API.Auth.Methods).toEqual({ Own: { Type: 'ask', PolicyPath: '/p' } });
    expect(config.API.Auth.Users).toEqual([
      { Username: 'alice', Password: 'p', Capabilities: [{ Actions: ['read:*'] }] },
    ]);
  });

  it('of maps merge over files, lists and -c replace', async () => {
    const files = {
      '/a.yaml': 'Labels: {a: 1, b: 1}\nEngines: {Disabled: [x, y]}',
      '/b.yaml': 'Labels: {b: 2}\nEngines: {Disabled: [z]}',
    };
    const merged = await load({ settings: ['/a.yaml', '/b.yaml'] }, files);
    expect(merged.config.Labels).toEqual({ a: '1', b: '2' });
    expect(merged.config.Engines.Disabled).toEqual(['z']);
    const replaced = await load({ settings: ['/a.yaml', 'Labels=c=3'] }, files);
    expect(replaced.config.Labels).toEqual({ c: '3' });
  });
});

describe('errors name key, origin and wanted type, all at once', () => {
  it('several', async () => {
    const message = await failure(
      { settings: ['/a.yaml', 'API.Port=x', 'Compute'], env: { BACALHAU_COMPUTE_ENABLED: 'maybe' } },
      { '/a.yaml': 'DataDir: rel\nOrchestrator:\n  Port: 70000\n  Cluster: 3\nAPI: {Host: [a]}' },
    );
    for (
      const part of [
        '-c API.Port=x'.slice(3, 11) + ' (-c): wants a whole number, but "x"',
        '"Compute" is not a valid config key',
        'Compute.Enabled (BACALHAU_COMPUTE_ENABLED): wants true or false, but "maybe"',
        'Orchestrator.Port (/a.yaml:3): wants a whole number, but 70000 is too much',
        '/a.yaml:4: Orchestrator.Cluster wants keys below it',
        'API.Host (/a.yaml:5): wants a text, but it is a list',
        'DataDir (/a.yaml:1): "rel" is relative',
      ]
    ) expect(message).toContain(part);
  });
  it.each<[string, Sources, string]>([
    ['unknown -c key', { settings: ['Comptue.Enabled=1'] }, 'did you mean Compute.Enabled?'],
    ['-c key without value', { settings: ['API.Host'] }, 'write API.Host=VALUE'],
    ['missing file', { settings: ['/no.yaml'] }, '"/no.yaml" does not exist'],
    ['file without suffix', { settings: ['conf'] }, 'end in .yaml'],
    ['variable in DataDir', { settings: ['DataDir=$HOME/x'] }, 'variables are not expanded'],
    ['empty DataDir', { settings: ['DataDir='] }, 'is empty'],
    ['list with a gap', { settings: ['Compute.Env.AllowList=a,,b'] }, 'empty item'],
    ['map without value', { settings: ['Labels=a='] }, 'not of the form'],
    ['users by -c', { settings: ['API.Auth.Users=x'] }, 'only be set in a file'],
    ['negative duration', { settings: ['Compute.Heartbeat.Interval=-1s'] }, 'too little'],
    ['duration of 0 where none may be', { settings: ['Compute.Heartbeat.Interval=0'] }, 'too little'],
    ['unknown word', { settings: ['Compatibility=1.8'] }, 'wants one of "", 1.9'],
    ['bad YAML', { settings: ['/bad.yaml'] }, '/bad.yaml:1'],
  ])('%s', async (_name, sources, part) => {
    expect(await failure(sources, { '/work/conf': 'x', '/bad.yaml': 'a: [' })).toContain(part);
  });
});

describe('warnings', () => {
  const files = { '/a.yaml': 'API: {Prot: 1}\nAcceptNetworkedJobs: true', '/empty.yaml': '# nothing' };
  it('of unknown keys, with place and suggestion; silent as the original with the switch', async () => {
    expect((await load({ settings: ['/a.yaml'] }, files)).warnings).toEqual([
      'Unknown key "API.Prot" (/a.yaml:1): did you mean API.Port?',
      'Unknown key "AcceptNetworkedJobs" (/a.yaml:2)',
    ]);
    expect((await load({ settings: ['/a.yaml', 'Compatibility=1.9'] }, files)).warnings).toEqual([]);
  });
  it('of keys without effect, empty files and numbers without unit', async () => {
    expect((await load({ settings: ['WebUI.Enabled', 'WebUI.Listen=0.0.0.0:8438'] })).warnings)
      .toEqual(['WebUI.Enabled (-c) has no effect yet: it needs the web page']);
    expect((await load({ settings: ['/empty.yaml'] }, files)).warnings[0]).toContain('is empty');
    const nanos = await load({ settings: ['/n.yaml'] }, {
      '/n.yaml': 'InputSources: {ReadTimeout: 3000000}',
    });
    expect(nanos.config.InputSources.ReadTimeout).toBe(3);
    expect(nanos.warnings[0]).toContain('nanoseconds');
  });
});

describe('settings that promise a protection which does not exist', () => {
  const FILE = `API:
  Auth:
    Users: [{Alias: a, APIKey: k}]
    AccessPolicyPath: /p.rego
    Methods: {password: {Type: ask, PolicyPath: /x}}
    Oauth2: {ProviderID: x}
  TLS: {CertFile: /c, KeyFile: /k}
JobAdmissionControl: {ProbeExec: /bin/false, Locality: local}
`;
  it('are told with their places, all together, when a node is to start', async () => {
    const loaded = await load({ settings: ['/a.yaml'] }, { '/a.yaml': FILE });
    expect(() => refuseUnprotected(loaded.config)).toThrow(/(\n {2}\S+ needs .+){8}/);
    expect(loaded.warnings).toContain(
      'API.Auth.Users (/a.yaml:3) has no effect yet: it needs users and tokens',
    );
  });
  it.each<[string, Sources]>([
    ['environment', { env: { BACALHAU_API_TLS_SELFSIGNED: 'true' } }],
    ['-c', { settings: ['API.TLS.AutoCert=example.org'] }],
    ['a flag', { flags: { 'JobAdmissionControl.ProbeHTTP': { flag: '--x', value: 'http://p' } } }],
    ['-c of the provider', { settings: ['API.Auth.Oauth2.JWKSUri=https://k'] }],
  ])('are refused from %s', async (_where, sources) => {
    const loaded = await load(sources);
    expect(() => refuseUnprotected(loaded.config)).toThrow('Cannot start a node');
  });
  it('are no trouble at their default', async () => {
    const loaded = await load({
      settings: [
        'API.TLS.SelfSigned=false',
        'JobAdmissionControl.Locality=anywhere',
        'API.TLS.CAFile=/c',
        '/m.yaml',
      ],
    }, { '/m.yaml': 'API: {Auth: {Users: [], Methods: {ClientKey: {Type: challenge}}}}' });
    refuseUnprotected(loaded.config);
  });
});

/** Members that 1.9 does not have. */
function withoutOurs(value: Record<string, unknown>): unknown {
  const known =
    JSON.parse(readFileSync(new URL('../fixtures/config/rest.json', import.meta.url), 'utf8')).config;
  const prune = (own: Record<string, unknown>, other: Record<string, unknown>): unknown =>
    Object.fromEntries(
      Object.entries(own).filter(([name]) => name in other).map(([name, each]) => [
        name,
        typeof each === 'object' && each !== null && !Array.isArray(each)
          ? prune(each as Record<string, unknown>, other[name] as Record<string, unknown>)
          : each,
      ]),
    );
  return { config: prune(value, known) };
}

describe('shown to others', () => {
  it('is the answer of the original, key for key and in its order', async () => {
    const { config } = await load({
      settings: ['DataDir=/var/lib/bacalhau', 'Orchestrator.Enabled', 'Orchestrator.Auth.Token=s3cret'],
      host: { home: '/x', cpus: 2 },
    });
    const rest = readFileSync(new URL('../fixtures/config/rest.json', import.meta.url), 'utf8');
    expect(JSON.stringify(withoutOurs(configToRest(config)))).toBe(JSON.stringify(JSON.parse(rest)));
  });

  it('never shows a secret, wherever it stands', async () => {
    const text = 'API: {Auth: {Users: [{Username: a, Password: hunter2, APIKey: hunter2}]}}';
    const addresses = [
      'nats://hunter2@h:1',
      'nats://hun/hunter2@h:2',
      'tls://:hunter2@h:3',
      'user:hunter2@h:4',
      'hunter2/x@[::1]:5',
      'nats://a@hunter2@h:6',
    ];
    const settings = [
      '/a.yaml',
      'Orchestrator.Auth.Token=hunter2',
      'Compute.Auth.Token=hunter2',
      `Compute.Orchestrators=${addresses.join(',')}`,
      `Orchestrator.Cluster.Peers=${addresses.join(',')}`,
      'WebUI.Backend=https://user:hunter2@h',
      'API.Host=http://hunter2@h',
      'API.Auth.Oauth2.TokenEndpoint=https://id:hun/hunter2@h/token',
      'Publishers.Types.IPFS.Endpoint=https://user:hunter2@h',
      'InputSources.Types.IPFS.Endpoint=https://user:hunter2@h',
      'ResultDownloaders.Types.IPFS.Endpoint=https://user:hunter2@h',
      'Publishers.Types.S3Managed.Endpoint=https://user:hunter2@h',
      'JobDefaults.Batch.Task.Publisher.Params=Endpoint=https://user:hunter2@h',
    ];
    const loaded = await load({ settings }, { '/a.yaml': text });
    const everything = JSON.stringify([configToRest(loaded.config), configRows(loaded)]);
    expect(everything).not.toContain('hunter2');
    expect((configToRest(loaded.config).Compute as { Orchestrators: unknown }).Orchestrators).toEqual([
      'nats://********@h:1',
      'nats://********@h:2',
      'tls://********@h:3',
      '********@h:4',
      '********@[::1]:5',
      'nats://********@h:6',
    ]);
  });

  it('shows an @ that parts no secret', async () => {
    const { config } = await load({
      settings: ['Compute.AllowListedLocalPaths=/data/@scope/**:rw', 'Labels=mail=a@b'],
    });
    expect(configToRest(config)).toMatchObject({
      Compute: { AllowListedLocalPaths: ['/data/@scope/**:rw'] },
      Labels: { mail: 'a@b' },
    });
  });

  it('has one sorted row per key', async () => {
    const rows = configRows(await load({ settings: ['API.Port=5'] }));
    expect(rows.map((row) => row.Key)).toEqual(allKeys().map(({ path }) => path).sort());
    expect(rows.find((row) => row.Key === 'API.Port')).toMatchObject({ Value: 5, Origin: '-c' });
    expect(rows.find((row) => row.Key === 'UpdateConfig.Interval')).toMatchObject({ Value: '24h0m0s' });
  });
});

it('every key has documentation and a default of its own type', async () => {
  const { config } = await load();
  const types: Record<string, string> = { string: 'string', choice: 'string', bool: 'boolean' };
  for (const { key, names, path } of allKeys()) {
    const value = names.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
    const wanted = types[key.type] ?? (['int', 'duration', 'size'].includes(key.type) ? 'number' : 'object');
    expect(typeof value, path).toBe(wanted);
    expect(key.doc.length, path).toBeGreaterThan(10);
  }
  expect(findKey('jobdefaults.daemon.task.resources.gpu')?.path).toBe(
    'JobDefaults.Daemon.Task.Resources.GPU',
  );
});

it('the layout keeps clear of the files of the original and has no colon', () => {
  const layout = dataDirLayout({ DataDir: '/d' } as Config);
  const names = Object.values(layout);
  expect(names.join()).not.toContain(':');
  const databases = [layout.orchestratorDatabase, layout.computeDatabase];
  expect(databases.join()).not.toMatch(/state_boltdb|nats-store/);
  expect(new Set(names).size).toBe(names.length);
});

it('reads real files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'config-'));
  try {
    writeFileSync(join(folder, 'config.yaml'), 'API: {Port: 77}');
    const { config, files } = await loadConfig({ env: { BACALHAU_DIR: folder }, host });
    expect([config.API.Port, files]).toEqual([77, [join(folder, 'config.yaml')]]);
    await expect(loadConfig({ env: {}, host, settings: [`${folder}/no.yaml`] })).rejects.toThrow(
      'does not exist',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
