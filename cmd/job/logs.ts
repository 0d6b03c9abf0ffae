/** `bacalhau job logs JOB` */
import { defineCommand } from '../command.ts';
import { interruptible } from '../interrupt.ts';
import { addVersionFlags, type VersionFlags, versionOptions } from '../list_flags.ts';

interface Options extends VersionFlags {
  readonly executionId?: string;
  readonly follow: boolean;
  readonly tail: boolean;
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id')
      .option('-e, --execution-id <id>', 'of this execution; otherwise of the latest')
      .option('-f, --follow', 'until the execution ends', false)
      .option('-t, --tail', 'only what is written from now on', false);
    addVersionFlags(command, false);
  },
  run: async ([job], options, context) => {
    const client = await context.client();
    const query = {
      ...versionOptions(options),
      ...(options.executionId ? { executionId: options.executionId } : {}),
      follow: options.follow,
      tail: options.tail,
    };
    await interruptible(async (signal) => {
      for await (const { text } of client.logs(job!, query, signal)) await context.write(text);
    });
  },
});
