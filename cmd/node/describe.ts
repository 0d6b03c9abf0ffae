/** `bacalhau node describe NODE` */
import { encodeNodeState } from '../../mod/model/mod.ts';
import { defineCommand } from '../command.ts';
import { addObjectFlags, type ObjectOutput, printObject } from '../output/format.ts';

export const command = defineCommand<ObjectOutput>({
  configure: (command) => {
    command.argument('<node>', 'id or the beginning of one');
    addObjectFlags(command, 'yaml');
  },
  run: async ([node], options, context) => {
    await printObject(context, options, encodeNodeState(await (await context.client()).getNode(node!)));
  },
});
