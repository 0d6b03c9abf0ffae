import { describe, expect, it } from 'vitest';
import { decodeJob, type Job } from '../../mod/model/mod.ts';
import {
  MetaKey,
  normaliseJob,
  prepareForSubmission,
  readSpec,
  specEquals,
  type SubmissionContext,
  validateSubmission,
} from '../../mod/spec/mod.ts';

const context: SubmissionContext = {
  newId: () => 'j-1',
  now: 7n,
  orchestratorId: 'n-1',
  defaults: {
    Batch: {
      Priority: 3,
      Task: {
        Resources: { CPU: '500m', Disk: '' },
        Publisher: { Type: 'local' },
        Timeouts: { ExecutionTimeout: 61_900, TotalTimeout: 0 },
      },
    },
  },
};
const engine = { Type: 'docker', Params: { Image: 'busybox' } };
const job = (fields: object = {}, task: object = {}): Job =>
  decodeJob({ Name: 'a', Type: 'batch', Tasks: [{ Name: 'main', Engine: engine, ...task }], ...fields });
const messages = (value: Job) => validateSubmission(value).map(({ path, message }) => `${path}: ${message}`);

describe('prepareForSubmission', () => {
  it('fills in defaults only where the job left them open', () => {
    const [task] = prepareForSubmission(job(), context).job.Tasks;
    expect(task).toMatchObject({
      Resources: { CPU: '500m' },
      Publisher: { Type: 'local' },
      Timeouts: { ExecutionTimeout: 61 },
    });
    const own = job({ Priority: 9 }, {
      Resources: { CPU: '0' },
      Publisher: { Type: 's3' },
      Timeouts: { ExecutionTimeout: 5, QueueTimeout: 0 },
    });
    const prepared = prepareForSubmission(own, context).job;
    expect(prepared.Priority).toBe(9);
    expect(prepared.Tasks[0]).toMatchObject({ Resources: { CPU: '0' }, Publisher: { Type: 's3' } });
    expect(prepared.Tasks[0]!.Timeouts).toEqual({ ExecutionTimeout: 5, QueueTimeout: 0 });
  });

  it('identifies itself in the meta keys and drops forged ones', () => {
    const forged = job({
      Meta: { [MetaKey.ClientInstanceId]: 'x', [MetaKey.OrchestratorProtocol]: 'y', own: 'z' },
    });
    const { job: stored, warnings } = prepareForSubmission(forged, { ...context, clientInstanceId: 'c' });
    expect(stored.Meta).toEqual({
      [MetaKey.ClientInstanceId]: 'c',
      [MetaKey.OrchestratorId]: 'n-1',
      [MetaKey.RequesterId]: 'n-1',
      own: 'z',
    });
    expect(warnings).toHaveLength(2);
  });

  it('clears system fields with a warning each; a service keeps its ID', () => {
    const system = {
      ID: 'j-own',
      Version: 4,
      Revision: 5,
      CreateTime: 1,
      ModifyTime: 1,
      State: { StateType: 'Failed' },
    };
    const batch = prepareForSubmission(job(system), context);
    expect(batch.job).toMatchObject({
      ID: 'j-1',
      Version: 1,
      Revision: 1n,
      CreateTime: 7n,
      State: { StateType: 'Pending' },
    });
    expect(batch.warnings).toHaveLength(6);
    const service = prepareForSubmission(job({ ...system, Type: 'service' }), context);
    expect(service.job.ID).toBe('j-own');
    expect(service.warnings).toHaveLength(5);
  });

  it('names the error of a default that makes the job invalid', () => {
    const tight = { ...context, defaults: { Batch: { Task: { Timeouts: { TotalTimeout: 10_000 } } } } };
    expect(() => prepareForSubmission(job({}, { Timeouts: { ExecutionTimeout: 20 } }), tight))
      .toThrow('total timeout (10s)');
  });

  it.each(['j-', '../../x', '..', '.x', 'a/b', 'a b', 'a\0', '\x1b[2J', '-x', 'ü'])(
    'an own id %j is refused',
    (ID) => {
      expect(() => prepareForSubmission(job({ Type: 'service', ID }), context)).toThrow('is no job ID');
    },
  );
  it.each(['web', 'web.eu_1-a', 'j-5f0c1d2e-8a77-4e5c-9a50-0a7b0f1c2d3e'])('an own id %j is taken', (ID) => {
    expect(prepareForSubmission(job({ Type: 'service', ID }), context).job.ID).toBe(ID);
  });
  it.each(['a\nb', '\x1b]0;x\x07', '\x9b2J'])('control characters in names are refused: %j', (name) => {
    for (const bad of [job({ Name: name }), job({ Namespace: name }), job({}, { Name: name })]) {
      expect(() => prepareForSubmission(bad, context)).toThrow('control characters');
    }
    expect(() => prepareForSubmission(job({ Name: 'word count/ä ☃' }), context)).not.toThrow();
  });

  it('names what is wrong in the old layout of modules', () => {
    const legacy = job({}, { Engine: { Type: 'wasm', Params: { EntryModule: { Source: { Type: 3 } } } } });
    expect(() => prepareForSubmission(legacy, context)).toThrow(
      'Tasks[0].Engine.Params.EntryModule.Source.Type',
    );
  });
});

describe('validateSubmission', () => {
  it('finds all problems at once, in order', () => {
    const bad = job({ Type: 'ops', Count: 2 }, {
      Name: ' ',
      Env: { lower: 'x', '1A': 'x', A_1: '', OK: 'x', Ä: 'x' },
      Engine: { Type: ' ' },
      Timeouts: { QueueTimeout: -1 },
      Resources: { CPU: '-1', GPU: '1.5' },
      InputSources: [{ Source: { Type: '' }, Target: '' }, { Target: '/a', Alias: 'x' }, {
        Source: { Type: 's3' },
        Target: '/b',
        Alias: 'x',
      }],
      ResultPaths: [{ Name: 'a', Path: 'b' }, { Name: 'a', Path: '/c' }],
    });
    expect(messages(bad).map((line) => line.split(': ')[0])).toEqual([
      'Tasks[0].Timeouts.QueueTimeout',
      'Count',
      'Tasks[0].Name',
      'Tasks[0].Env.1A',
      'Tasks[0].Env.A_1',
      'Tasks[0].Env.lower',
      'Tasks[0].Engine',
      'Tasks[0].Resources.CPU',
      'Tasks[0].Resources.GPU',
      'Tasks[0].InputSources[0].Target',
      'Tasks[0].InputSources[0].Source',
      'Tasks[0].InputSources[1].Source',
      'Tasks[0].InputSources[2].Alias',
      'Tasks[0].ResultPaths[0].Path',
      'Tasks[0].ResultPaths[1].Name',
    ]);
  });

  it.each<[object, number]>([
    [{ Key: 'a', Operator: 'In', Values: ['x'] }, 1],
    [{ Key: ' ', Operator: 'exists' }, 1],
    [{ Key: 'a', Operator: 'exists', Values: ['x'] }, 1],
    [{ Key: 'a', Operator: 'gt', Values: ['x'] }, 1],
    [{ Key: 'a', Operator: '=' }, 1],
    [{ Key: 'a', Operator: 'toString', Values: ['x'] }, 1],
    [{ Key: 'favour_x.io/a', Operator: 'in', Values: ['x', 'y'] }, 0],
    [{ Key: 'a', Operator: 'lt', Values: ['-5'] }, 0],
  ])(
    'constraint %j',
    (constraint, count) => expect(messages(job({ Constraints: [constraint] }))).toHaveLength(count),
  );

  it.each<[object, number]>([
    [{ Type: 'HTTP', Domains: ['EXAMPLE.org', '*.x.org', '10.0.0.1', '::1'] }, 0],
    [{ Type: 'Default', Ports: [{ Name: 'a' }] }, 1],
    [{ Type: 'Bridge', Ports: [{ Name: 'a', Target: 80 }, { Name: 'b', Target: 80 }] }, 1],
    [{ Type: 'Bridge', Ports: [{ Name: 'a', Target: -1 }, { Name: 'b', HostNetwork: 'x' }, {}] }, 3],
    [{ Type: 'Host', Ports: [{ Name: 'a', Static: 2000 }, { Name: 'b', Static: 2000 }] }, 1],
  ])('network %j', (Network, count) => expect(messages(job({}, { Network }))).toHaveLength(count));
});

describe('specEquals', () => {
  const stored = prepareForSubmission(job({}, { Resources: { Memory: '512Mb' } }), context).job;
  it('ignores what the system sets and how amounts are written', () => {
    const again = {
      ...stored,
      ID: 'j-2',
      Version: 3,
      Revision: 9n,
      CreateTime: 1n,
      Meta: { ...stored.Meta, [MetaKey.OrchestratorId]: 'n-2' },
    };
    const [task] = stored.Tasks;
    expect(
      specEquals(stored, { ...again, Tasks: [{ ...task!, Resources: { CPU: '500M', Memory: '512 MB' } }] }),
    ).toBe(true);
  });
  it('sees every other change', () => {
    for (const change of [{ Count: 2 }, { Labels: { a: 'b' } }, { Meta: { x: 'y' } }, { Priority: 1 }]) {
      expect(specEquals(stored, { ...stored, ...change })).toBe(false);
    }
  });
  it('takes the two layouts of a module as the same', () => {
    const Source = { Type: 'inline', Params: { URL: 'data:,x' } };
    const old = job({}, {
      Engine: { Type: 'wasm', Params: { EntryModule: { Source }, EntryPoint: '_start' } },
    });
    const first = prepareForSubmission(old, context).job;
    expect(specEquals(first, prepareForSubmission(old, { ...context, newId: () => 'j-9' }).job)).toBe(true);
    const today = job({}, {
      Engine: { Type: 'wasm', Params: { EntryModule: '/wasm/entry.wasm', Entrypoint: '_start' } },
      InputSources: [{ Source, Target: '/wasm/entry.wasm' }],
    });
    expect(specEquals(normaliseJob(old), normaliseJob(today))).toBe(true);
  });
  it('takes two unnamed jobs as the same', () => {
    const unnamed = (id: string) =>
      prepareForSubmission(job({ Name: '' }), { ...context, newId: () => id }).job;
    expect(specEquals(unnamed('j-1'), unnamed('j-2'))).toBe(true);
  });
});

describe('readSpec', () => {
  it('reports types, unknown keys and rules together, each with its line', async () => {
    const { problems } = await readSpec(
      'name: 123\ncolour: red\ntype: Batch\ntasks:\n  - name: x\n    engine: docker\n',
    );
    expect(problems.map(({ path, line }) => [path, line])).toEqual([
      ['colour', 2],
      ['Name', 1],
      ['Tasks[0].Engine', 6],
      ['Type', 3],
    ]);
  });
  it.each<[string, string]>([
    ['', 'no content'],
    ['# nothing\n', 'empty/nil job'],
    ['[1]', 'found array, wanted Job'],
    ['a:\n\t- b', 'Tabs'],
    ['{}', 'missing job type'],
    ['Type: batch\nTasks: [null]', 'found null, wanted Task'],
    ['Type: batch\nCount: 1.5', 'found number 1.5'],
  ])('%j', async (text, wanted) => {
    expect((await readSpec(text)).problems.map(({ message }) => message).join()).toContain(wanted);
  });
  it('warns of keys given twice', async () => {
    expect((await readSpec('Name: a\nName: b\n')).warnings).toEqual([
      'line 2: "Name" is given twice, the last counts',
    ]);
  });
});
