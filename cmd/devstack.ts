/** `bacalhau devstack`: a whole network in one process, gone when it is interrupted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BacalhauError } from '../mod/model/mod.ts';
import { catchUncaught } from '../runtime/uncaught.ts';
import { loadNodeConfiguration } from './configuration.ts';
import { defineCommand } from './command.ts';
import { interruptible, untilStopped } from './interrupt.ts';

interface Options {
  readonly orchestrators: number;
  readonly computes: number;
  readonly hybrids: number;
  readonly badComputes: number;
  readonly requesterNodes?: number;
  readonly computeNodes?: number;
  readonly hybridNodes?: number;
  readonly badComputeActors?: number;
  readonly baseDir?: string;
  readonly stackRepo?: string;
  readonly randomPorts: boolean;
  readonly cpuProfilingFile?: string;
  readonly memoryProfilingFile?: string;
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.count('--orchestrators <number>', 'nodes that only orchestrate', 1)
      .count('--computes <number>', 'nodes that only compute', 3)
      .count('--hybrids <number>', 'nodes with both roles', 0)
      .count('--bad-computes <number>', 'compute nodes that misbehave (not there yet)', 0)
      .count('--requester-nodes <number>', 'old name of --orchestrators')
      .count('--compute-nodes <number>', 'old name of --computes')
      .count('--hybrid-nodes <number>', 'old name of --hybrids')
      .count('--bad-compute-actors <number>', 'old name of --bad-computes')
      .option('--base-dir <folder>', 'folder of the nodes, kept; a temporary one if not given')
      .option('--stack-repo <folder>', 'the same')
      .option('--random-ports', 'free ports instead of the usual ones', false)
      .option('--cpu-profiling-file <file>', 'no effect')
      .option('--memory-profiling-file <file>', 'no effect');
  },
  run: async (_args, options, context) => {
    const counts = {
      orchestrators: options.requesterNodes ?? options.orchestrators,
      computes: options.computeNodes ?? options.computes,
      hybrids: options.hybridNodes ?? options.hybrids,
    };
    refuseImpossible(counts);
    const missing = [
      ...((options.badComputeActors ?? options.badComputes) > 0 ? ['--bad-computes'] : []),
      ...(options.cpuProfilingFile ? ['--cpu-profiling-file'] : []),
      ...(options.memoryProfilingFile ? ['--memory-profiling-file'] : []),
    ];
    for (const flag of missing) context.complain(`Warning: ${flag} has no effect yet\n`);

    const loaded = await loadNodeConfiguration(context, {
      // A network for trying things out does not obey the configuration of the user's own node.
      defaultFile: context.globals.dataDir !== undefined,
      ...(options.randomPorts ? { defaults: FREE_PORTS } : {}),
    });
    const given = options.baseDir ?? options.stackRepo;
    const folder = given ? resolve(given) : await mkdtemp(join(tmpdir(), 'bacalhau-devstack-'));
    const { startDevstack } = await import('../mod/node/mod.ts');
    try {
      await interruptible(async (signal) => {
        const log = (line: string) => context.complain(`${line}\n`);
        using _last = catchUncaught(loaded.config.Logging, log);
        await using stack = await startDevstack(loaded.config, {
          ...counts,
          folder,
          log,
        });
        const { hostname, port } = new URL(stack.apiUrl);
        context.print(
          'Devstack is ready!\n' +
            `Orchestrators: ${counts.orchestrators}, computes: ${counts.computes}, hybrids: ${counts.hybrids}\n` +
            'To use it, run these in a shell:\n\n' +
            `export BACALHAU_API_HOST=${hostname}\n` +
            `export BACALHAU_API_PORT=${port}\n`,
        );
        await untilStopped(signal, stack.failed);
        context.print('\nShutting down devstack\n');
      });
    } finally {
      if (!given) await rm(folder, { recursive: true, force: true });
    }
  },
});

const FREE_PORTS = { 'API.Port': 0, 'Orchestrator.Port': 0, 'Publishers.Types.Local.Port': 0 };

function refuseImpossible(
  { orchestrators, computes, hybrids }: Record<'orchestrators' | 'computes' | 'hybrids', number>,
) {
  const why = orchestrators + computes + hybrids === 0
    ? 'it has no node'
    : orchestrators + hybrids === 0
    ? 'its compute nodes have no orchestrator'
    : undefined;
  if (why === undefined) return;
  throw new BacalhauError('BadRequest', `Cannot start a devstack of this shape: ${why}`, {
    hint: 'Give --orchestrators, --computes or --hybrids with a number above 0.',
  });
}
