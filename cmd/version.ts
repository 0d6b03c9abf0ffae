/** `bacalhau version`: the client's version and, where it answers, the server's. */
import { BUILD_INFO } from '../runtime/build_info.ts';
import { defineCommand } from './command.ts';
import { addListFlags, type ListOutput, printList, printObject } from './output/format.ts';
import type { Column } from './output/table.ts';

interface Options extends ListOutput {
  readonly client: boolean;
}

interface Versions {
  readonly clientVersion: typeof BUILD_INFO;
  readonly serverVersion?: typeof BUILD_INFO;
}

/** The server's version is a nicety: nobody waits longer for it. */
const SERVER_TIMEOUT = 3000;

const CLIENT: Column<Versions> = { header: 'client', value: ({ clientVersion }) => clientVersion.GitVersion };
const SERVER: Column<Versions> = {
  header: 'server',
  value: ({ serverVersion }) => serverVersion?.GitVersion ?? '',
};

export const command = defineCommand<Options>({
  configure: (command) => {
    command.option('--client', 'only the version of this program', false);
    addListFlags(command);
  },
  run: async (_args, options, context) => {
    const versions: { clientVersion: typeof BUILD_INFO; serverVersion?: typeof BUILD_INFO } = {
      clientVersion: BUILD_INFO,
    };
    if (!options.client) {
      const client = await context.client();
      // An unreachable server is no error here: its column is left out.
      const server = await client.agentVersion(SERVER_TIMEOUT).catch(() => undefined);
      if (server) versions.serverVersion = { Major: '', Minor: '', ...server };
    }
    if (options.output === 'json' || options.output === 'yaml') {
      return await printObject(context, options, versions);
    }
    await printList(
      context,
      options,
      versions.serverVersion ? [CLIENT, SERVER] : [CLIENT],
      [versions],
      (each) => each,
    );
  },
});
