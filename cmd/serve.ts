/** `bacalhau serve`: a node with the roles that flags or configuration give it, until it is told to stop. */
import { type Config, dataDirLayout } from '../mod/config/mod.ts';
import { ContainedFiles } from '../runtime/files/mod.ts';
import { catchUncaught } from '../runtime/uncaught.ts';
import { loadNodeConfiguration } from './configuration.ts';
import { defineCommand } from './command.ts';
import { interruptible, untilStopped } from './interrupt.ts';

interface Options {
  readonly orchestrator?: boolean;
  readonly compute?: boolean;
  readonly name?: string;
}

/** A node without any role becomes an orchestrator, as in the original. */
function withRole(config: Config): Config {
  if (config.Orchestrator.Enabled || config.Compute.Enabled) return config;
  return { ...config, Orchestrator: { ...config.Orchestrator, Enabled: true } };
}

const SECRETS_HELP = `
Secrets (what stands on a command line can be read by everybody on this machine):
  Orchestrator.Auth.Token   BACALHAU_ORCHESTRATOR_AUTH_TOKEN
  Compute.Auth.Token        BACALHAU_COMPUTE_AUTH_TOKEN
  or either in a file: -c FILE.yaml, or config.yaml of the data directory`;

export const command = defineCommand<Options>({
  configure: (command) => {
    command.option('--orchestrator', 'take jobs and place them')
      .option('--compute', 'run jobs')
      .option('--name <name>', 'name of the node; kept from its first start on')
      .addHelpText('after', SECRETS_HELP);
  },
  run: async (_args, options, context) => {
    const roles = {
      ...(options.orchestrator === undefined
        ? {}
        : { 'Orchestrator.Enabled': { flag: '--orchestrator', value: options.orchestrator } }),
      ...(options.compute === undefined
        ? {}
        : { 'Compute.Enabled': { flag: '--compute', value: options.compute } }),
    };
    const loaded = await loadNodeConfiguration(context, { flags: roles });
    const config = withRole(loaded.config);
    if (config !== loaded.config) {
      context.complain('Warning: neither --orchestrator nor --compute is given: starting an orchestrator\n');
    }
    const { startNode } = await import('../mod/node/mod.ts');
    await interruptible(async (signal) => {
      const log = (line: string) => context.print(`${line}\n`);
      using _last = catchUncaught(config.Logging, log);
      await using node = await startNode(config, {
        ...(options.name === undefined ? {} : { name: options.name }),
        log,
      });
      if (node.natsUrl) context.print(`Orchestrator of other nodes: ${node.natsUrl}\n`);
      context.print(`Node ${node.id} is running, API at ${node.apiUrl}\n`);
      const { hostname, port } = new URL(node.apiUrl);
      const { root, runFile } = dataDirLayout(config);
      using files = new ContainedFiles(root);
      const lines = `export BACALHAU_API_HOST=${hostname}\nexport BACALHAU_API_PORT=${port}\n`;
      await files.write(runFile, lines, 0o644);
      try {
        await untilStopped(signal, node.failed);
        context.print('Shutting down\n');
      } finally {
        await files.remove(runFile);
      }
    });
  },
});
