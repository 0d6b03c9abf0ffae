/** `bacalhau job validate FILE…`: check job files without a server. */
import { parseJobFile } from '../../mod/spec/mod.ts';
import { defineCommand } from '../command.ts';
import { readJobText } from './run.ts';

export const command = defineCommand({
  configure: (command) => {
    command.argument('<files...>', 'job files; "-" is standard input');
  },
  run: async (files, _options, context) => {
    for (const file of files) {
      const { warnings } = await parseJobFile(await readJobText(context, file), { name: file });
      for (const warning of warnings) context.print(`${warning}\n`);
    }
    context.print('OK\n');
  },
});
