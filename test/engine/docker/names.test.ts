import { expect, it } from 'vitest';
import { installFilter, objectLabels, objectName, runOfLabels } from '../../../mod/engine/docker/names.ts';

const run = { jobId: 'j-1', executionId: 'e-2', runNo: 3 };
const installation = { nodeId: 'n-9', installId: 'here' };

it('names and labels a container as the original does', () => {
  expect(objectName('n-9', run, 'executor')).toBe('bacalhau-bacalhau-n-9-j-1-e-2-executor');
  expect(objectLabels(installation, run, 'executor')).toMatchObject({
    'bacalhau-executor': 'bacalhau-n-9',
    'bacalhau-jobID': 'bacalhau-n-9j-1',
    'bacalhau-executionID': 'bacalhau-n-9e-2',
  });
});

it('makes names that Docker takes out of any node id', () => {
  expect(objectName('knoten ü/1', run, 'network')).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/);
});

it('finds the run of its own labels, and of no others', () => {
  const labels = objectLabels(installation, run, 'network');
  expect(runOfLabels('here', labels)).toEqual({ executionId: 'e-2', runNo: 3, part: 'network' });
  expect(runOfLabels('elsewhere', labels)).toBeNull();
  expect(runOfLabels('here', null)).toBeNull();
  expect(runOfLabels('here', { 'bacalhau.install': 'here' })).toBeNull();
  expect(installFilter('here')).toEqual({ label: ['bacalhau.install=here'] });
});
