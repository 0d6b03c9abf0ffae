/** `bacalhau job logs JOB` */
import { defineCommand } from '../command.ts';
import { interruptible } from '../interrupt.ts';
import { addVersionFlags, type VersionFlags, versionOptions } from '../list_flags.ts';

interface Options extends VersionFlags {
  readonly executionId?: string;
  readonly follow: boolean;
  readonly tail: boolean | number;
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id')
      .option('-e, --execution-id <id>', 'of this execution; otherwise of the latest')
      .option('-f, --follow', 'until the execution ends', false)
      .flagOrCount(
        '-t, --tail [lines]',
        'only what is written from now on; with a number, the last lines, too',
      );
    addVersionFlags(command, false);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const query = {
      ...versionOptions(options),
      ...(options.executionId ? { executionId: options.executionId } : {}),
      follow: options.follow,
      tail: options.tail === true,
      ...(typeof options.tail === 'number' ? { tailLines: options.tail } : {}),
    };
    await interruptible(async (signal) => {
      for await (const { text } of client.logs(job!, query, signal)) await context.write(text);
    });
  },
});
