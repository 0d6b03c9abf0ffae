/**
 * A process that runs one container as a node would, to be killed: takes a run request as JSON, tells the identity on
 * stdout before it starts the program, then waits.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { dockerEngine } from '../../../../mod/engine/docker/mod.ts';
import type { RunRequest } from '../../../../mod/engine/engine.ts';
import { realWorld } from '../../../../runtime/world.ts';

export interface NodeTask {
  readonly host: string;
  readonly installId: string;
  readonly directory: string;
  readonly request: RunRequest;
  /** Where it stops: before the start, or never. */
  readonly until: 'created' | 'ended';
}

/** Program and arguments that run this file with the interpreter at hand. */
export function nodeCommand(task: NodeTask): readonly [string, string[]] {
  return [process.execPath, ['run', '-A', '--quiet', fileURLToPath(import.meta.url), JSON.stringify(task)]];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { host, installId, directory, request, until } = JSON.parse(process.argv[2]!) as NodeTask;
  const engine = await dockerEngine({
    world: realWorld,
    nodeId: 'n-test',
    installId,
    directory,
    host,
    env: {},
    blockMetadata: false,
  });
  const run = await engine.create(request, new AbortController().signal);
  process.stdout.write(`${run.identity.id}\n`);
  if (until === 'ended') {
    await run.start();
    await run.wait();
    process.stdout.write('ended\n');
  }
  setInterval(() => {}, 60_000);
}
