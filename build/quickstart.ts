/**
 * `deno task quickstart [FILE]`: the main job of the program, end to end, with the executable just built. Starts a local
 * network on free ports in a temporary folder, submits examples/word-count.yaml, follows it, reads its log, fetches its
 * result and prints the most frequent words, the job's history and where the result lies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { DIST, ROOT } from './bundle.ts';

const PROGRAM = join(DIST, process.platform === 'win32' ? 'bacalhau.exe' : 'bacalhau');
const WORDS_SHOWN = 10;

/** `deno task` changes to the repository's root; a file is meant relative to where the user stands. */
function userFile(argument: string | undefined): string {
  return argument ? resolve(process.env.INIT_CWD ?? process.cwd(), argument) : join(ROOT, 'README.md');
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs the program to its end, its output shown. @throws Error when it fails */
async function bacalhau(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  say(`\n$ bacalhau ${args.join(' ')}`);
  const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const code = await new Promise<number | null>((done, failed) => {
    child.on('error', failed);
    child.on('close', done);
  });
  if (code !== 0) throw new Error(`bacalhau ${args[0]} ${args[1] ?? ''} ended with exit code ${code}`);
  return output.trim();
}

/** Starts the network and resolves with the environment that its clients need, as `devstack` prints it. */
async function startDevstack(folder: string): Promise<{ child: ChildProcess; env: NodeJS.ProcessEnv }> {
  const env = { ...process.env, BACALHAU_DIR: join(folder, 'client') };
  const args = [
    'devstack',
    '--base-dir',
    join(folder, 'devstack'),
    '-c',
    'API.Port=0',
    '-c',
    'Orchestrator.Port=0',
    '-c',
    'Publishers.Types.Local.Port=0',
    '-c',
    `Compute.AllowListedLocalPaths=${folder}/**`,
  ];
  say(`$ bacalhau ${args.join(' ')}`);
  const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return await new Promise((ready, failed) => {
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`devstack ended with exit code ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      say(line);
      const exported = /^export (BACALHAU_API_\w+)=(\S+)/.exec(line);
      if (exported) Object.assign(env, { [exported[1]!]: exported[2] });
      if (exported?.[1] === 'BACALHAU_API_PORT') ready({ child, env });
    });
  });
}

async function stopDevstack(child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit');
  const gone = new Promise((done) => child.once('exit', done));
  if (child.kill('SIGTERM')) await gone;
}

async function main(): Promise<void> {
  const file = userFile(process.argv[2]);
  if (!(await stat(file).catch(() => null))?.isFile()) {
    throw new Error(`Cannot count the words of "${file}": no such file`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'bacalhau-quickstart-'));
  const data = join(folder, 'data');
  await mkdir(data);
  await copyFile(file, join(data, 'text.txt'));
  await copyFile(join(ROOT, 'examples/word-count/word-count.wasm'), join(folder, 'word-count.wasm'));

  say(`Counting the words of ${file}\n`);
  const { child, env } = await startDevstack(folder);
  try {
    const variables = `module=${join(folder, 'word-count.wasm')},data=${data}`;
    const job = await bacalhau(
      env,
      'job',
      'run',
      join(ROOT, 'examples/word-count.yaml'),
      '--template-vars',
      variables,
      '--id-only',
      '--wait',
    );
    await bacalhau(env, 'job', 'logs', job);
    await bacalhau(env, 'job', 'history', job);
    const result = join(folder, 'result');
    await bacalhau(env, 'job', 'get', job, '--output-dir', result);

    const counts = (await readFile(join(result, 'outputs', 'counts.txt'), 'utf8')).split('\n').filter(
      Boolean,
    );
    counts.sort((a, b) => parseInt(b) - parseInt(a));
    say(`\nThe ${WORDS_SHOWN} most frequent of ${counts.length} words:\n`);
    say(counts.slice(0, WORDS_SHOWN).join('\n'));
    say(`\nThe whole result lies in ${result}`);
  } finally {
    await stopDevstack(child);
    await rm(join(folder, 'devstack'), { recursive: true, force: true });
  }
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
