/**
 * Rows about containers: what a job costs on top of its container, and how fast much output comes through. A private
 * dockerd with an image of busybox-static; ours through two server processes over REST, beside the same container driven
 * directly through the API from this process, in turn. Alone: `deno run -A test/bench/docker.ts [rounds] [MB]`.
 */
import { spawn } from 'node:child_process';
import process from 'node:process';
import type { ContainerCreate, Docker } from '../../runtime/docker/mod.ts';
import { DROPPED } from '../../mod/engine/docker/options.ts';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { privateDockerd, type TestDocker } from '../support/docker.ts';
import { Connection, load } from '../support/http_load.ts';
import { dockerJob } from '../support/jobs.ts';
import { memoryOf, run, type Server, temporaryFolder } from '../support/program.ts';
import { type Aim, median, renderAim } from './measure.ts';
import { warmUp } from './warm_up.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const NODE = 'n-containers';
const MB = 1e6;
const PARALLEL = 8;
const MEMORY = 64 * 2 ** 20;
/** Rounds before it counts, as in the bench of modules: programs that run for days are compiled by then. */
const WARM_UP = 20;
/** How often a job is looked at: the figures are that exact. */
const LOOK_MS = 2;

interface Bench {
  readonly engine: TestDocker;
  readonly image: string;
  readonly orchestrator: Orchestrator;
  readonly compute: Server;
  readonly env: Record<string, string>;
}

const rows: Aim[] = [];

function row(aim: Aim): void {
  rows.push(aim);
  process.stdout.write(`${renderAim(aim)}\n`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** A job of one container without network; limits as {@link sameContainer} has them. */
function job(image: string, parameters: readonly string[]): { Job: Record<string, unknown> } {
  return dockerJob({
    image,
    parameters,
    task: { Network: { Type: 'None' }, Resources: { CPU: '1', Memory: String(MEMORY) } },
  });
}

function sameContainer(image: string, command: readonly string[]): ContainerCreate {
  return {
    Image: image,
    Cmd: command,
    NetworkDisabled: true,
    HostConfig: {
      NetworkMode: 'none',
      Memory: MEMORY,
      NanoCpus: 1e9,
      PidsLimit: 4096,
      SecurityOpt: ['no-new-privileges'],
      CapDrop: DROPPED,
      LogConfig: { Type: 'local', Config: {} },
    },
  };
}

/** @returns its id, to be removed */
async function direct(docker: Docker, config: ContainerCreate): Promise<string> {
  const { Id } = await docker.containers.create(config);
  const wait = docker.containers.wait(Id, 'next-exit', new AbortController().signal);
  await wait.registered;
  await docker.containers.start(Id);
  await wait.result;
  return Id;
}

/** The API is not asked before the container has ended: questions all along would slow down what is measured. */
async function ended(port: number, id: string, died?: Promise<void>): Promise<void> {
  await died;
  using api = new Connection(port);
  for (;;) {
    const { Job } = await api.json<{ Job: { State: { StateType: string; Message?: string } } }>(
      'GET',
      `${JOBS}/${id}`,
    );
    const { StateType, Message } = Job.State;
    if (StateType === 'Completed') return;
    if (StateType === 'Failed') throw new Error(`job ${id} failed: ${Message}`);
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
}

async function submit(port: number, body: unknown): Promise<string> {
  // A new one each time: the server closes those that say nothing for as long as a container may run.
  using api = new Connection(port);
  return (await api.json<{ JobID: string }>('PUT', JOBS, body)).JobID;
}

/** The next ends of any containers, by the engine's events. */
class Ends implements Disposable {
  readonly #abort = new AbortController();
  #left = 0;
  #waiting = () => {};

  static async of(docker: Docker): Promise<Ends> {
    const ends = new Ends();
    const events = docker.events({ type: ['container'], event: ['die'] }, ends.#abort.signal);
    await events.registered;
    const follow = async () => {
      for await (const _ of events) if (--ends.#left === 0) ends.#waiting();
    };
    follow().catch(() => undefined);
    return ends;
  }

  next(count = 1): Promise<void> {
    this.#left = count;
    return new Promise((resolve) => this.#waiting = resolve);
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
  }
}

/** Nothing of an earlier measurement is still being removed. */
async function quiet({ docker }: TestDocker): Promise<void> {
  while ((await docker.containers.list({ all: true })).length > 0) {
    await new Promise((next) => setTimeout(next, 5));
  }
}

function dockerCommand(engine: TestDocker, args: readonly string[]): Promise<number> {
  const child = spawn('docker', args, { env: { ...process.env, ...engine.env }, stdio: 'ignore' });
  return new Promise((done, failed) => child.once('error', failed).once('close', (code) => done(code ?? -1)));
}

async function overhead(
  { engine, image, orchestrator: { apiPort: api } }: Bench,
  rounds: number,
): Promise<void> {
  const { docker } = engine;
  const ours: number[] = [];
  const theirs: number[] = [];
  const cli: number[] = [];
  const body = job(image, ['true']);
  using ends = await Ends.of(docker);
  for (let round = 0; round < rounds + WARM_UP; round++) {
    const times = [
      await timed(async () => {
        const died = ends.next();
        await ended(api, await submit(api, body), died);
      }),
      await (async () => {
        await quiet(engine);
        let id = '';
        const ms = await timed(async () => id = await direct(docker, sameContainer(image, ['true'])));
        await docker.containers.remove(id, { force: true });
        return ms;
      })(),
      round % 5 === 0
        ? await timed(() => dockerCommand(engine, ['run', '--rm', '--network', 'none', image, 'true']))
        : null,
    ] as const;
    await quiet(engine);
    if (round < WARM_UP) continue;
    ours.push(times[0]);
    theirs.push(times[1]);
    if (times[2] !== null) cli.push(times[2]);
  }
  const paired = ours.map((ms, index) => ms - theirs[index]!);
  row({ what: 'trivial container, submit to completed, p50', value: median(ours), unit: 'ms' });
  row({ what: '  the same through the API: create, start, wait', value: median(theirs), unit: 'ms' });
  row({ what: '  docker run --rm --network none', value: median(cli), unit: 'ms' });
  row({ what: '  ours less the API, medians', value: median(ours) - median(theirs), unit: 'ms', most: 25 });
  row({ what: '  ours less the API, median of the pairs', value: median(paired), unit: 'ms' });
}

/** Ours and direct in turn; removal counts for both, since it loads the engine. */
async function inParallel(
  { engine, image, orchestrator: { apiPort: api } }: Bench,
  count: number,
  rounds: number,
): Promise<void> {
  const { docker } = engine;
  const body = JSON.stringify(job(image, ['true']));
  const ours: number[] = [];
  const theirs: number[] = [];
  using ends = await Ends.of(docker);
  for (let round = 0; round <= rounds; round++) {
    const oursMs = await timed(async () => {
      const died = ends.next(count);
      const answers = await load(api, PARALLEL, count, () => ({
        method: 'PUT',
        path: JOBS,
        body,
      }));
      await died;
      for (const answer of answers) await ended(api, (JSON.parse(answer.body) as { JobID: string }).JobID);
      await quiet(engine);
    });
    let next = 0;
    const worker = async () => {
      while (next++ < count) {
        const id = await direct(docker, sameContainer(image, ['true']));
        await docker.containers.remove(id, { force: true });
      }
    };
    const theirsMs = await timed(() => Promise.all(Array.from({ length: PARALLEL }, worker)));
    if (round === 0) continue;
    ours.push(count / oursMs * 1000);
    theirs.push(count / theirsMs * 1000);
  }
  row({ what: `${count} containers, ${PARALLEL} at once`, value: median(ours), unit: '/s' });
  row({ what: '  the same through the API', value: median(theirs), unit: '/s' });
  row({ what: "  ours of the API's rate", value: median(ours) / median(theirs), unit: '×', least: 0.9 });
}

interface Flood {
  readonly what: string;
  readonly megabytes: number;
  /** Prints `$1` MB. */
  readonly script: string;
}

/** 32 KB and 80 bytes, newline included. */
function floods(megabytes: number): readonly Flood[] {
  const line = (length: number) => `dd if=/dev/zero bs=${length - 1} count=1 2>/dev/null | tr '\\0' x`;
  const script = (length: number) => `L="$(${line(length)})"; yes "$L" | head -c ${'${MB}'}000000`;
  return [
    { what: 'lines of 32 KB', megabytes, script: script(32_768) },
    { what: 'lines of 80 bytes', megabytes: Math.ceil(megabytes / 8), script: script(80) },
  ];
}

async function output(bench: Bench, flood: Flood): Promise<void> {
  const { engine, image, orchestrator: { apiPort: api }, compute, env } = bench;
  const { what, megabytes } = flood;
  const command = ['sh', '-c', flood.script.replace('${MB}', String(megabytes))];
  const bytes = megabytes * MB;
  let peak = 0;
  const memory = setInterval(() => peak = Math.max(peak, memoryOf(compute.pid)), 100);
  let id = '';
  using ends = await Ends.of(engine.docker);
  const ours = await timed(async () => {
    const died = ends.next();
    await ended(api, id = await submit(api, job(image, command)), died);
  });
  await quiet(engine);
  const theirs = await timed(async () => {
    // Within the same limits.
    const pipe = `docker run --rm --network none --cpus 1 --memory ${MEMORY} "$@" | cat > /dev/null`;
    const child = spawn('sh', ['-c', pipe, 'sh', image, ...command], {
      env: { ...process.env, ...engine.env },
      stdio: 'ignore',
    });
    await new Promise((done) => child.once('close', done));
  });
  await quiet(engine);
  const size = `${megabytes} MB of ${what}`;
  row({ what: size, value: bytes / MB / ours * 1000, unit: 'MB/s' });
  row({ what: '  docker run | cat', value: bytes / MB / theirs * 1000, unit: 'MB/s' });
  row({ what: '  ours of its speed', value: theirs / ours, unit: '×', least: 1 });
  const tails: number[] = [];
  for (let i = 0; i < 5; i++) {
    tails.push(
      await timed(async () => {
        const { stdout, code, stderr } = await run('bun', ['job', 'logs', '--tail', '100', id], { env });
        if (code !== 0 || stdout.length < 100 * 79) throw new Error(`job logs --tail 100: ${code} ${stderr}`);
      }),
    );
  }
  row({ what: '  job logs --tail 100, whole command', value: median(tails), unit: 'ms', most: 100 });
  let kept = 0;
  const read = await timed(async () => kept = await logBytes(id, env));
  row({ what: '  job logs, all of it', value: bytes / MB / read * 1000, unit: 'MB/s' });
  clearInterval(memory);
  row({ what: '  of it given back', value: kept / bytes * 100, unit: '%', least: 100 });
  row({ what: '  peak memory of the node, all its processes', value: peak / MB, unit: 'MB', most: 150 });
}

/** What `job logs` gives of a job that has ended. */
async function logBytes(id: string, env: Record<string, string>): Promise<number> {
  const { PROGRAMS, cleanEnv } = await import('../support/program.ts');
  const [command, ...first] = PROGRAMS.bun;
  const child = spawn(command!, [...first, 'job', 'logs', id], {
    env: cleanEnv(env),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += (chunk as Uint8Array).length;
  return bytes;
}

/** All rows about containers, printed as they come. @returns them */
export async function dockerRows(rounds = 40, megabytes = 1000): Promise<readonly Aim[]> {
  await using engine = await privateDockerd();
  await using folder = await temporaryFolder();
  await using orchestrator = await startOrchestrator('bun', folder.path);
  await using compute = await startCompute('bun', folder.path, NODE, orchestrator.natsPort, [
    '-c',
    `Compute.AllocatedCapacity.CPU=${PARALLEL}`,
  ], engine.env);
  await connectedNodes(orchestrator.apiPort, [NODE]);
  const env = { BACALHAU_DIR: folder.path, BACALHAU_API_PORT: String(orchestrator.apiPort) };
  const image = await engine.image();
  const bench = { engine, image, orchestrator, compute, env };
  await warmUp(orchestrator.apiPort);
  await overhead(bench, rounds);
  await inParallel(bench, 64, 3);
  for (const flood of megabytes > 0 ? floods(megabytes) : []) await output(bench, flood);
  await compute.end();
  await orchestrator.end();
  return rows;
}

if (import.meta.main) {
  const [rounds, megabytes] = process.argv.slice(2).map(Number);
  await dockerRows(rounds, megabytes);
}
