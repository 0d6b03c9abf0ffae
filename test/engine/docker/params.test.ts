import { expect, it } from 'vitest';
import { isRefusal, parseDockerParams } from '../../../mod/engine/docker/docker_params.ts';

function parsed(params: Record<string, unknown>) {
  const result = parseDockerParams({ Type: 'docker', Params: params });
  if (isRefusal(result)) throw new Error(result.reason);
  return result;
}

it('reads the whole spec, its keys in any case', () => {
  expect(parsed({
    image: ' ubuntu:22.04 ',
    ENTRYPOINT: ['sh', '-c'],
    Parameters: ['echo "$A"'],
    EnvironmentVariables: ['a=1', 'B=x=y', 'DROPPED', 'EMPTY='],
    WorkingDirectory: '/work',
    ShmSize: '64MB',
    Ulimits: { nofile: '1024:4096', core: 0, memlock: -1 },
  })).toEqual({
    image: 'ubuntu:22.04',
    entrypoint: ['sh', '-c'],
    parameters: ['echo "$A"'],
    env: [['a', '1'], ['B', 'x=y'], ['EMPTY', '']],
    workingDirectory: '/work',
    shmSize: 64_000_000,
    ulimits: [
      { Name: 'nofile', Soft: 1024, Hard: 4096 },
      { Name: 'core', Soft: 0, Hard: 0 },
      { Name: 'memlock', Soft: -1, Hard: -1 },
    ],
  });
});

it('leaves what is absent, null or empty to the image', () => {
  expect(parsed({ Image: 'a', Entrypoint: null, Parameters: [], WorkingDirectory: '' }))
    .toEqual({ image: 'a', env: [], ulimits: [] });
});

it('an empty entry point is none at all, as with Docker itself', () => {
  expect(parsed({ Image: 'a', Entrypoint: [] })).toMatchObject({ entrypoint: [] });
});

it.each([
  [{}, 'Image is missing'],
  [{ Image: 5 }, 'Image is not a text'],
  [{ Image: 'a', Entrypoint: 'sh' }, 'Entrypoint is not a list of texts'],
  [{ Image: 'a', Parameters: 'echo hi' }, 'Parameters is not a list of texts'],
  [{ Image: 'a', Parameters: ['a\0b'] }, 'Parameters contains a zero byte'],
  [{ Image: 'a', EnvironmentVariables: { A: '1' } }, 'EnvironmentVariables is not a list of texts'],
  [{ Image: 'a', EnvironmentVariables: ['bacalhau_x=1'] }, 'EnvironmentVariables sets "bacalhau_x"'],
  [{ Image: 'a', EnvironmentVariables: ['=1'] }, 'EnvironmentVariables has "=1" without a name'],
  [{ Image: 'a', WorkingDirectory: 'work' }, 'WorkingDirectory is "work", which is not an absolute path'],
  [{ Image: 'a', ShmSize: 'much' }, 'ShmSize is "much", which is not a size'],
  [{ Image: 'a', ShmSize: -1 }, 'ShmSize is -1, which is not a size'],
  [{ Image: 'a', Ulimits: ['nofile=5'] }, 'Ulimits is not a map of names to limits'],
  [{ Image: 'a', Ulimits: { files: 5 } }, 'Ulimits.files is not a limit that there is'],
  [{ Image: 'a', Ulimits: { nofile: 'many' } }, 'Ulimits.nofile is "many", which is not a limit'],
  [
    { Image: 'a', Ulimits: { nofile: '9:5' } },
    'Ulimits.nofile is "9:5": the soft limit is above the hard one',
  ],
])('names the field that is wrong: %j', (params, reason) => {
  expect(parseDockerParams({ Type: 'docker', Params: params })).toMatchObject({
    code: 'ValidationError',
    reason: expect.stringContaining(`Engine.Params.${reason}`),
    hint: expect.stringMatching(/./),
    retryable: false,
  });
});
