import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Codec,
  DecodeError,
  decodeExecution,
  decodeJob,
  decodeNodeInfo,
  executionCodec,
  jobCodec,
  jobHistoryCodec,
  nodeStateCodec,
  parseJson,
  stringifyJson,
  ZERO_TIME,
} from '../../mod/model/mod.ts';

const fixture = (name: string) =>
  readFileSync(new URL(`../fixtures/model/${name}.json`, import.meta.url), 'utf8');
/** The text without white space outside strings. */
const compact = (text: string) => text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');

function problems(decode: () => unknown): string[] {
  try {
    decode();
  } catch (error) {
    if (error instanceof DecodeError) return error.problems.map((each) => `${each.path}: ${each.message}`);
    throw error;
  }
  return [];
}

describe('examples of the reference survive byte for byte', () => {
  it.each<[string, Codec<object>]>([
    ['job', jobCodec as Codec<object>],
    ['execution', executionCodec as Codec<object>],
    ['node-state', nodeStateCodec as Codec<object>],
  ])('%s', (name, codec) => {
    const text = compact(fixture(name));
    const value = codec.decode(parseJson(text));
    expect(stringifyJson(codec.encode(value))).toBe(text);
    expect(stringifyJson(value)).toBe(text);
    expect(codec.decode(codec.encode(value))).toEqual(value);
  });

  it('history', () => {
    const text = compact(fixture('history'));
    const entries = (parseJson(text) as unknown[]).map(jobHistoryCodec.decode);
    expect(stringifyJson(entries.map(jobHistoryCodec.encode))).toBe(text);
  });
});

describe('decoding', () => {
  it('makes bigints of times and revisions, whether number or bigint comes in', () => {
    const job = decodeJob({ Revision: 3, CreateTime: 1795219115974285210n, ModifyTime: 5 });
    expect([job.Revision, job.CreateTime, job.ModifyTime]).toEqual([3n, 1795219115974285210n, 5n]);
  });

  it('freezes everything and shares nothing with its input', () => {
    const input = {
      Type: 'batch',
      Tasks: [{ Name: 'a', Engine: { Type: 'wasm', Params: { b: [{ c: 1 }], a: 2 } } }],
    };
    const job = decodeJob(input);
    const params = job.Tasks[0]!.Engine!.Params!;
    expect(Object.isFrozen(job.Tasks[0])).toBe(true);
    expect(Object.isFrozen((params['b'] as unknown[])[0])).toBe(true);
    expect(Object.keys(params)).toEqual(['a', 'b']);
    expect(Object.isFrozen(input.Tasks[0]!.Engine.Params.b)).toBe(false);
  });

  it('matches keys of structs in any case, the last spelling in byte order wins; map keys stay', () => {
    const job = decodeJob({ name: 'low', NAME: 'high', Name: 'middle', lAbels: { Zone: 'x' } });
    expect(job.Name).toBe('low');
    expect(job.Labels).toEqual({ Zone: 'x' });
  });

  it('takes absent and null as zero, null in a map of strings as empty', () => {
    const job = decodeJob({ Type: 'daemon', Labels: null, Meta: { k: null }, Tasks: null });
    expect(job).toMatchObject({ Count: 0, Labels: {}, Meta: { k: '' }, Tasks: [], Revision: 0n });
    expect(job.State).toEqual({ StateType: 'Undefined' });
  });

  it('takes an absent count as 1 for batch and service only and keeps 0', () => {
    const counts = ['batch', 'service', 'ops', 'daemon'].map((Type) => decodeJob({ type: Type }).Count);
    expect(counts).toEqual([1, 1, 0, 0]);
    expect(decodeJob({ Type: 'batch', Count: 0 }).Count).toBe(0);
  });

  it('keeps a time-out of 0 apart from none', () => {
    const [task] = decodeJob({ Tasks: [{ Timeouts: { QueueTimeout: 0 } }] }).Tasks;
    expect(task!.Timeouts).toEqual({ QueueTimeout: 0 });
    expect(stringifyJson(jobCodec.encode(decodeJob({ Tasks: [task] })))).toContain(
      '"Timeouts":{"QueueTimeout":0}',
    );
  });

  it('collects every problem with path, owner, found and wanted type', () => {
    expect(problems(() =>
      decodeJob({
        Count: '2',
        Priority: 1.5,
        Labels: { x: true },
        Tasks: [{ Resources: { CPU: 0.5 }, Network: { Type: 'Undefined' } }, null],
      })
    )).toEqual([
      'Priority: invalid type: found number 1.5, wanted int (field of Job)',
      'Count: invalid type: found string, wanted int (field of Job)',
      'Labels.x: invalid type: found bool, wanted string (field of Job)',
      'Tasks[0].Resources.CPU: invalid type: found number 0.5, wanted string (field of ResourcesConfig)',
      'Tasks[0].Network.Type: unknown type "Undefined": network type is one of Default, None, Host, Full, HTTP, ' +
      'Bridge (in any letter case)',
      'Tasks[1]: invalid type: found null, wanted Task',
    ]);
    expect(problems(() => decodeJob(null))).toEqual([': invalid type: found null, wanted Job']);
    expect(problems(() => decodeJob([]))).toEqual([': invalid type: found array, wanted Job']);
  });

  it('reads enumerations as strictly as the original', () => {
    expect(decodeJob({ State: { StateType: ' failed ' } }).State.StateType).toBe('Failed');
    expect(decodeJob({ State: { StateType: 'Bogus' } }).State.StateType).toBe('Undefined');
    expect(problems(() => decodeJob({ State: { StateType: 4 } }))).toHaveLength(1);
    expect(problems(() => decodeExecution({ ComputeState: { StateType: 'Failed' } }))).toHaveLength(1);
    expect(problems(() => decodeExecution({ ComputeState: { StateType: 12 } }))).toHaveLength(1);
    expect(decodeNodeInfo({ NodeType: 'compute' }).NodeType).toBe('Compute');
    expect(problems(() => decodeNodeInfo({ NodeType: '' }))).toHaveLength(1);
    expect(nodeStateCodec.decode({ Membership: 'approved', Connection: 'connected' }))
      .toMatchObject({ Membership: '', Connection: 'DISCONNECTED' });
    expect(problems(() => nodeStateCodec.decode({ ConnectionState: { LastHeartbeat: '' } }))).toHaveLength(1);
  });

  it('keeps nulls of a pure orchestrator and fills in "never"', () => {
    const info = decodeNodeInfo({});
    expect(info).toMatchObject({ NodeType: 'Requester', Labels: null, SupportedProtocols: null });
    expect(info.ComputeNodeInfo.ExecutionEngines).toBeNull();
    expect(info.BacalhauVersion.BuildDate).toBe(ZERO_TIME);
  });

  it('is not fooled by hostile keys or depth', () => {
    const job = decodeJob(JSON.parse('{"Labels":{"__proto__":"x"},"__proto__":{"Name":"evil"}}'));
    expect(job.Name).toBe('');
    expect(Object.keys(job.Labels)).toEqual(['__proto__']);
    expect(JSON.stringify(job.Labels)).toBe('{"__proto__":"x"}');
    const deep = JSON.parse('{"a":'.repeat(5000) + '1' + '}'.repeat(5000));
    expect(problems(() => decodeJob({ Tasks: [{ Engine: { Params: deep } }] }))).toHaveLength(1);
  });
});

describe('encoding', () => {
  it('puts keys in wire order and leaves empty ones out, whatever order they came in', () => {
    const execution = {
      ...decodeExecution({ ID: 'e-1' }),
      PartitionIndex: 0,
      PublishedResult: { Params: {}, Type: '' },
    };
    const text = stringifyJson(executionCodec.encode(execution));
    expect(text).not.toContain('PartitionIndex');
    expect(text).toContain('"PublishedResult":{"Type":""},"RunOutput":null');
  });
});
