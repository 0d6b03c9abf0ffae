/** The specs of the reference: valid ones are stored as their golden JSON says, invalid ones give their errors. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeJob, parseJson, stringifyJson } from '../../mod/model/mod.ts';
import { parseJobFile, prepareForSubmission, type SubmissionContext } from '../../mod/spec/mod.ts';

const folder = new URL('../fixtures/specs/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, folder), 'utf8');
const names = (path: string) => readdirSync(new URL(path, folder));

const task = { Task: { Resources: { CPU: '500m', Memory: '512Mb' } } };
const context: SubmissionContext = {
  newId: () => 'JOB_ID',
  now: 0n,
  orchestratorId: 'ORCHESTRATOR_ID',
  defaults: { Batch: task, Ops: task, Service: task, Daemon: task },
};
const variables = { name: 'world', tag: '1.37.0' };

describe('valid', () => {
  it.each(names('valid'))('%s', async (name) => {
    const { job, warnings } = await parseJobFile(read(`valid/${name}`), { variables });
    const prepared = prepareForSubmission(job, context);
    const stored = read(`valid-stored/${name.replace('.yaml', '.json')}`);
    expect(stringifyJson(encodeJob(prepared.job), 2)).toBe(stringifyJson(parseJson(stored), 2));
    expect(warnings).toHaveLength(name.startsWith('15') ? 2 : 0);
    // What was warned of is gone before it is sent, so nobody hears of it twice.
    expect(prepared.warnings).toEqual([]);
  });
});

async function failure(name: string): Promise<string> {
  try {
    const { job } = await parseJobFile(read(`invalid/${name}`), { name });
    prepareForSubmission(job, context);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

/** What each must say, from the comments of the files, and the lines it must point to. */
const WANTED: Record<string, [string[], number[]]> = {
  '01-unknown-top-level-field.yaml': [['unknown field', 'Selector'], [5]],
  '02-system-owned-fields.yaml': [["'ID' is not allowed", "'Version' is not allowed"], [4, 5]],
  '03-count-as-text.yaml': [['Count', 'invalid type', 'string', 'int'], [5]],
  '04-yaml-boolean-label.yaml': [['Labels.production', 'invalid type', 'bool', 'string'], [7]],
  '05-job-type-case.yaml': [['invalid job type', 'Batch'], [4]],
  '06-aggregated-job-errors.yaml': [['count must be >= 0', 'missing job tasks', 'constraint 1'], [6, 8, 9]],
  '07-ops-with-count.yaml': [['ops jobs', 'count > 1'], [5]],
  '08-env-reserved-prefix.yaml': [['task main', 'BACALHAU_MODE', 'cannot start with'], [12]],
  '09-duplicate-input-target.yaml': [['task main', "target '/in' already exists"], [11]],
  '10-relative-result-path.yaml': [['task main', 'outputs', 'must be absolute'], [8]],
  '11-result-path-without-publisher.yaml': [['publisher must be set'], []],
  '12-timeouts-do-not-fit.yaml': [['timeouts', '5m0s', '1m0s', '5m50s'], []],
  '13-network-port-and-domain-errors.yaml': [
    [
      'domains can only be set',
      'localhost',
      'target ports',
      'static port 80',
      'port name',
      'duplicate port name api',
    ],
    [],
  ],
  '14-resource-units.yaml': [['task main', 'CPU', '0.1m', 'memory', 'lots', 'disk', '10xb'], [10]],
  '15-unknown-network-type.yaml': [['unknown type', 'Undefined'], [9]],
};

describe('invalid', () => {
  it('knows every file', () => expect(Object.keys(WANTED)).toEqual(names('invalid')));
  it.each(names('invalid'))('%s', async (name) => {
    const message = await failure(name);
    const [texts, lines] = WANTED[name]!;
    for (const text of texts) expect(message.toLowerCase()).toContain(text.toLowerCase());
    for (const line of lines) expect(message).toContain(`line ${line},`);
  });
  it('reports all six problems of a network', async () => {
    expect((await failure('13-network-port-and-domain-errors.yaml')).split('\n').slice(1)).toHaveLength(6);
  });
});
