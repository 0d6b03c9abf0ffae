/** A round through the client for runtimes.test.ts; prints what it saw. Arguments: host, image. */
import { createHash, randomBytes } from 'node:crypto';
import process from 'node:process';
import { pack } from 'tar-stream';
import { connectDocker, type DockerError } from '../../../runtime/docker/mod.ts';

const [host, image] = process.argv.slice(2) as [string, string];
const docker = await connectDocker({ host, env: {} });
const { containers } = docker;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const seen: Record<string, unknown> = { version: await docker.apiVersion() };
const create = async (Cmd: string[], more = {}) =>
  (await containers.create({ Image: image, Cmd, HostConfig: { NetworkMode: 'none' }, ...more })).Id;

const run = await create(['sh', '-c', 'echo out; echo err >&2; head -c 20000000 /dev/zero; exit 4']);
const wait = containers.wait(run, 'next-exit');
await wait.registered;
const attached = await containers.attach(run, { stdout: true, stderr: true, stream: true });
await containers.start(run);
const totals = [0, 0];
for await (const { stream, bytes } of attached) totals[stream - 1]! += bytes.length;
seen.run = [totals, (await wait.result).StatusCode];

const cat = await create(['cat'], { OpenStdin: true, StdinOnce: true });
const typed = await containers.attach(cat, { stdin: true, stdout: true, stderr: true, stream: true });
await containers.start(cat);
await typed.write(new TextEncoder().encode('typed'));
typed.endInput();
let echoed = '';
for await (const { bytes } of typed) echoed += text(bytes);
seen.cat = echoed;
const logs: string[] = [];
for await (const { bytes } of containers.logs(cat, { stdout: true, stderr: true })) logs.push(text(bytes));
seen.logs = logs;

const content = randomBytes(2_000_000);
const tar = pack();
tar.entry({ name: 'x' }, content);
tar.finalize();
await containers.putArchive(cat, '/tmp', tar as unknown as AsyncIterable<Uint8Array>);
const { stat, tar: back } = await containers.getArchive(cat, '/tmp/x');
const chunks: Uint8Array[] = [];
for await (const chunk of back) chunks.push(chunk as Uint8Array);
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
seen.archive = [stat.size, sha(Buffer.concat(chunks).subarray(512, 512 + content.length)) === sha(content)];

const sleeper = await create(['sleep', '1000']);
await containers.start(sleeper);
const codeOf = (error: DockerError) => error.code;
const aborted = async (act: (signal: AbortSignal) => Promise<unknown>) => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  return await act(stop.signal).then(() => 'ended', codeOf);
};
const drain = async (output: AsyncIterable<unknown>) => {
  for await (const _ of output) continue;
};
seen.aborted = [
  await aborted((signal) => containers.wait(sleeper, 'not-running', signal).result),
  await aborted((signal) =>
    drain(containers.logs(sleeper, { stdout: true, stderr: true, follow: true }, signal))
  ),
  await aborted(async (signal) =>
    await drain(await containers.attach(sleeper, { stdout: true, stderr: true, stream: true }, signal))
  ),
  await aborted((signal) => drain(docker.events({}, signal))),
];
const stop = new AbortController();
const events = docker.events({ container: [sleeper], event: ['die'] }, stop.signal);
await events.registered;
await containers.kill(sleeper);
for await (const { Action } of events) {
  seen.event = Action;
  break;
}
seen.errors = [
  await containers.inspect('none').catch(codeOf),
  await docker.images.inspect('none').catch(codeOf),
  await containers.kill(run).catch(codeOf),
  await docker.images.pull('127.0.0.1:1/a/b', {}, () => undefined).catch(codeOf),
];
for (const id of [run, cat, sleeper]) await containers.remove(id, { force: true });
docker.close();
console.log(JSON.stringify(seen));
