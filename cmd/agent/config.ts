/** `bacalhau agent config`: the effective configuration of the node, secrets left out by it. */
import { defineCommand } from '../command.ts';
import { addObjectFlags, type ObjectOutput, printObject } from '../output/format.ts';

export const command = defineCommand<ObjectOutput>({
  configure: (command) => addObjectFlags(command, 'yaml', true),
  run: async (_args, options, context) => {
    await printObject(context, options, await (await context.client()).agentConfig());
  },
});
