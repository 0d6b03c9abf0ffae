/**
 * Must-hold 2 of containers: 200 runs while their node is killed with SIGKILL at random moments, again and again. In the
 * end every job has its true result, no program was started twice, and the engine holds nothing of ours.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';
import { Random } from '../sim/random.ts';
import { dockerd, dockerMissing } from '../support/docker.ts';
import { DockerCluster, type Execution, type JobState } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { isAlive } from '../support/program.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

const RUNS = Number(process.env.BACALHAU_KILL_RUNS ?? 200);
const SEED = Number(process.env.BACALHAU_KILL_SEED ?? 1);
const PER_LIFE = 8;

interface Kind {
  readonly script?: string;
  /** Instead of a shell with the script. */
  readonly parameters?: readonly string[];
  readonly task?: Record<string, unknown>;
  /** Stopped by its user a random while after it was submitted. */
  readonly stopped?: boolean;
  readonly state: JobState['StateType'];
  readonly message?: RegExp;
  readonly stdout?: string;
  readonly exitCode?: number;
}

const lines = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');

/** Containers with different lives and endings. */
const KINDS: readonly Kind[] = [
  { script: 'echo quick', state: 'Completed', stdout: 'quick\n', exitCode: 0 },
  { script: 'echo begin; sleep 1.5; echo end', state: 'Completed', stdout: 'begin\nend\n', exitCode: 0 },
  {
    // Over any number of adoptions no line is lost or doubled.
    script: 'i=0; while [ $i -lt 150 ]; do i=$((i+1)); echo $i; sleep 0.02; done',
    state: 'Completed',
    stdout: lines(150),
    exitCode: 0,
  },
  { script: 'seq 2000', state: 'Completed', stdout: lines(2000), exitCode: 0 },
  {
    script: 'echo bad; sleep 0.4; exit 3',
    state: 'Failed',
    message: /exit code 3/,
    stdout: 'bad\n',
    exitCode: 3,
  },
  { script: "sh -c 'kill -KILL $$'; exit $?", state: 'Failed', exitCode: 137 },
  { script: 'echo hungry; exec tail /dev/zero', state: 'Failed', message: /memory/i, stdout: 'hungry\n' },
  { parameters: ['/no/such/program'], state: 'Failed', message: /no\/such\/program/ },
  {
    script: 'echo late; exec sleep 1000',
    task: { Timeouts: { ExecutionTimeout: 2 } },
    state: 'Failed',
    message: /time/i,
  },
  { script: 'exec sleep 1000', stopped: true, state: 'Stopped' },
  { script: 'trap "" TERM; sleep 1000', stopped: true, state: 'Stopped' },
  {
    script: 'sleep 0.3; echo netless',
    task: { Network: { Type: 'None' } },
    state: 'Completed',
    stdout: 'netless\n',
    exitCode: 0,
  },
  {
    script: 'sleep 0.5; echo proxied',
    task: { Network: { Type: 'HTTP', Domains: ['example.com'] } },
    state: 'Completed',
    stdout: 'proxied\n',
    exitCode: 0,
  },
  {
    script: 'sleep 0.2; echo file > /out/file',
    task: { ResultPaths: [{ Name: 'out', Path: '/out' }], Publisher: { Type: 'local' } },
    state: 'Completed',
    stdout: '',
    exitCode: 0,
  },
];

interface Submitted {
  readonly id: string;
  readonly kind: Kind;
}

/** What is wrong with the end of one job, for a message that shows all at once. */
function complaints({ id, kind }: Submitted, state: JobState, executions: readonly Execution[]): string[] {
  const found: string[] = [];
  const what = `job ${id} (${kind.script ?? kind.parameters?.join(' ')})`;
  const wrong = (text: string) => found.push(`${what}: ${text}`);
  if (state.StateType !== kind.state) wrong(`is ${state.StateType}: ${state.Message}`);
  if (kind.message && !kind.message.test(state.Message ?? '')) wrong(`says "${state.Message}"`);
  const counted = executions.filter(({ RunOutput }) => RunOutput !== null);
  if (kind.state !== 'Stopped' && counted.length !== 1) {
    wrong(`has ${counted.length} results in ${executions.length} executions`);
  }
  const output = counted[0]?.RunOutput;
  if (kind.stdout !== undefined && output?.Stdout !== kind.stdout) {
    wrong(`wrote ${JSON.stringify(output?.Stdout.slice(0, 200))} (${output?.Stdout.length})`);
  }
  if (kind.exitCode !== undefined && output?.ExitCode !== kind.exitCode) {
    wrong(`ended with ${output?.ExitCode}`);
  }
  return found;
}

it.skipIf(!docker)(`${RUNS} runs survive kill -9 of their node at random moments`, async () => {
  const random = new Random(SEED);
  const image = await docker!.image();
  await using cluster = await DockerCluster.start('bun', docker!);
  const begun = join(cluster.folder, 'data', 'begun');
  mkdirSync(begun, { recursive: true });
  const body = (kind: Kind) =>
    dockerJob({
      image,
      parameters: kind.parameters ??
        ['sh', '-c', `echo begun >> /begun/$BACALHAU_EXECUTION_ID; ${kind.script}`],
      task: {
        Resources: { CPU: '0.05', Memory: '32mb' },
        InputSources: [{
          Source: { Type: 'local', Params: { SourcePath: begun, ReadWrite: true } },
          Target: '/begun',
        }],
        ...kind.task,
      },
    });

  const all: Submitted[] = [];
  const stops: Promise<unknown>[] = [];
  const pids = [cluster.compute.pid];
  while (all.length < RUNS) {
    const life = Array.from({ length: PER_LIFE }, () => KINDS[Math.floor(random.next() * KINDS.length)]!);
    for (const kind of life) {
      const id = await cluster.submit(body(kind));
      all.push({ id, kind });
      if (kind.stopped) stops.push(stopAfter(id, random.next() * 2_000));
    }
    await new Promise((next) => setTimeout(next, random.next() * 1_500));
    await cluster.compute.kill('SIGKILL');
    await cluster.startCompute();
    pids.push(cluster.compute.pid);
  }
  await Promise.all(stops);

  const found: string[] = [];
  for (const each of all) {
    const state = await cluster.ended(each.id, 120_000).catch(async () => await cluster.job(each.id));
    found.push(...complaints(each, state, await cluster.executions(each.id)));
  }
  expect(found).toEqual([]);
  // A program that began twice for one execution wrote two lines.
  const twice = readdirSync(begun).filter((name) => readFileSync(join(begun, name), 'utf8') !== 'begun\n');
  expect(twice).toEqual([]);
  await cluster.nothingLeft(30_000);
  await cluster.compute.end();
  expect(await cluster.left()).toEqual([]);
  expect(pids.filter(isAlive)).toEqual([]);

  async function stopAfter(id: string, ms: number): Promise<void> {
    await new Promise((next) => setTimeout(next, ms));
    using api = cluster.api();
    await api.json('DELETE', `/api/v1/orchestrator/jobs/${id}`);
  }
});
