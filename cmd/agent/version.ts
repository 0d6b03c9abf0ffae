/** `bacalhau agent version`: three plain lines unless a format is asked for. */
import { buildVersionCodec } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addObjectFlags, type ObjectOutput, printObject } from '../output/format.ts';
import { eventTime } from '../output/values.ts';

export const command = defineCommand<ObjectOutput>({
  configure: (command) => addObjectFlags(command),
  run: async (_args, options, context) => {
    const version = await (await context.client()).agentVersion();
    if (options.output) return await printObject(context, options, buildVersionCodec.encode(version));
    context.print(
      `Bacalhau ${version.GitVersion}\n` +
        `BuildDate ${eventTime(version.BuildDate)} +0000 UTC\n` +
        `GitCommit ${version.GitCommit}\n`,
    );
  },
});
