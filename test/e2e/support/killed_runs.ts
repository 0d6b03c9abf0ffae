/** The containers of docker_kill.long.test.ts: many lives and endings, each with the only truth that may come of it. */
import type { Execution, JobState } from '../../support/docker_cluster.ts';

export interface Kind {
  readonly name: string;
  readonly script?: string;
  /** Instead of a shell with the script. */
  readonly parameters?: readonly string[];
  readonly task?: Record<string, unknown>;
  /** Comes from a registry, and is not on the engine when the job is submitted. */
  readonly pulled?: true;
  /** Has an output folder and a publisher; every script fills it before anything else. */
  readonly outputs?: true;
  /** Its time may be over before its program has begun; then it leaves nothing. */
  readonly late?: true;
  /** Stopped by its user a random while after it was submitted. */
  readonly stopped?: true;
  readonly state: JobState['StateType'];
  readonly message?: RegExp;
  readonly stdout?: string;
  readonly exitCode?: number;
}

const lines = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');
const completed = { state: 'Completed', exitCode: 0 } as const;
const COUNTS = 'i=0; while [ $i -lt 150 ]; do i=$((i+1)); echo $i; sleep 0.02; done';

/** @param server answers `pong` on an address of this host that jobs may be allowed to reach */
export function killedRuns(server: URL): readonly Kind[] {
  const fetches = `until wget -qO- ${server}; do sleep 0.1; done`;
  const http = { Network: { Type: 'HTTP', Domains: [server.hostname] } };
  return [
    { name: 'quick', script: 'echo quick', ...completed, stdout: 'quick\n' },
    { name: 'quick, kept', script: 'echo quick', outputs: true, ...completed, stdout: 'quick\n' },
    { name: 'slow', script: 'echo begin; sleep 1.5; echo end', ...completed, stdout: 'begin\nend\n' },
    // Over any number of adoptions no line is lost or doubled.
    { name: 'prints on', script: COUNTS, ...completed, stdout: lines(150) },
    { name: 'prints on, kept', script: COUNTS, outputs: true, ...completed, stdout: lines(150) },
    { name: 'prints much', script: 'seq 40000', outputs: true, ...completed, stdout: lines(40_000) },
    { name: 'prints nothing', script: 'sleep 0.2', ...completed, stdout: '' },
    {
      name: 'fails',
      script: 'echo bad; sleep 0.4; exit 3',
      outputs: true,
      state: 'Failed',
      message: /exit code 3/,
      stdout: 'bad\n',
      exitCode: 3,
    },
    { name: 'kills itself', script: "sh -c 'kill -KILL $$'; exit $?", state: 'Failed', exitCode: 137 },
    {
      name: 'out of memory',
      script: 'echo hungry; exec tail /dev/zero',
      outputs: true,
      state: 'Failed',
      message: /memory/i,
      stdout: 'hungry\n',
      exitCode: 137,
    },
    {
      name: 'cannot start',
      parameters: ['/no/such/program'],
      state: 'Failed',
      message: /no\/such\/program/,
    },
    {
      name: 'out of time',
      late: true,
      script: 'echo late; exec sleep 1000',
      task: { Timeouts: { ExecutionTimeout: 2 } },
      outputs: true,
      state: 'Failed',
      message: /time/i,
      stdout: 'late\n',
    },
    { name: 'stopped', script: 'echo up; exec sleep 1000', outputs: true, stopped: true, state: 'Stopped' },
    { name: 'stopped, deaf', script: 'trap "" TERM; sleep 1000', stopped: true, state: 'Stopped' },
    { name: 'pulled', script: 'echo pulled', pulled: true, ...completed, stdout: 'pulled\n' },
    { name: 'pulled, stopped', script: 'sleep 1000', pulled: true, stopped: true, state: 'Stopped' },
    {
      name: 'no network',
      script: 'sleep 0.3; echo netless',
      task: { Network: { Type: 'None' } },
      ...completed,
      stdout: 'netless\n',
    },
    {
      name: 'port',
      script: 'sleep 0.3; echo port $BACALHAU_PORT_web',
      task: { Network: { Type: 'Bridge', Ports: [{ Name: 'web', Target: 80 }] } },
      ...completed,
      stdout: 'port 80\n',
    },
    { name: 'HTTP', script: fetches, task: http, ...completed, stdout: 'pong\n' },
    // Its node dies before, and the proxy of the next one answers.
    {
      name: 'HTTP, slow',
      script: `sleep 2; ${fetches}`,
      task: http,
      outputs: true,
      ...completed,
      stdout: 'pong\n',
    },
    { name: 'HTTP, stopped', script: 'sleep 1000', task: http, stopped: true, state: 'Stopped' },
  ];
}

/** What a job left, as files: the archive of its publisher, unpacked; null when there is none. */
export type Published = (executionId: string) => ((file: string) => string) | null;

/** What is wrong with the end of one job, for a message that shows all at once. */
export function complaints(
  id: string,
  kind: Kind,
  state: JobState,
  executions: readonly Execution[],
  published: Published,
  hasBegun: (executionId: string) => boolean,
): string[] {
  const found: string[] = [];
  const expectThat = (right: boolean, text: string) => {
    if (!right) found.push(`job ${id} (${kind.name}): ${text}`);
  };
  expectThat(state.StateType === kind.state, `is ${state.StateType}: ${state.Message}`);
  if (kind.message) expectThat(kind.message.test(state.Message ?? ''), `says "${state.Message}"`);
  // The death of a node is no reason to place an execution anew.
  // One that was stopped while its node was dead may not have been placed at all.
  const least = kind.stopped ? 0 : 1;
  expectThat(
    executions.length >= least && executions.length <= 1,
    `took ${executions.length} executions: ${JSON.stringify(executions)}`,
  );
  const [{ ID, RunOutput } = { ID: '', RunOutput: null }] = executions;
  if (kind.late && !hasBegun(ID)) return found;
  const isCut = (kind.stdout?.length ?? 0) > 64 * 1024;
  if (kind.stdout !== undefined) {
    const told = RunOutput?.Stdout ?? 'nothing';
    const right = isCut ? kind.stdout.startsWith(told) && told.length > 10_000 : told === kind.stdout;
    expectThat(right, `wrote ${JSON.stringify(told.slice(0, 200))} (${told.length})`);
  }
  if (kind.exitCode !== undefined) {
    expectThat(RunOutput?.ExitCode === kind.exitCode, `ended with ${RunOutput?.ExitCode}`);
  }
  if (!kind.outputs || kind.stopped) return found;
  const file = published(ID);
  if (!file) return [...found, `job ${id} (${kind.name}): published nothing`];
  expectThat(file('outputs/early') === 'early\n', `published as output "${file('outputs/early')}"`);
  expectThat(file('stdout') === kind.stdout, `published ${file('stdout').length} bytes of output`);
  if (kind.exitCode !== undefined) {
    expectThat(file('exitCode') === String(kind.exitCode), `published exit code ${file('exitCode')}`);
  }
  return found;
}
