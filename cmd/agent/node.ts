/** `bacalhau agent node` */
import { encodeNodeInfo } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addObjectFlags, type ObjectOutput, printObject } from '../output/format.ts';

export const command = defineCommand<ObjectOutput>({
  configure: (command) => addObjectFlags(command, 'yaml'),
  run: async (_args, options, context) => {
    await printObject(context, options, encodeNodeInfo(await (await context.client()).agentNode()));
  },
});
