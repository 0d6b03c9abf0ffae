/** `bacalhau job run [FILE]`: submit the job of a file, or of standard input. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { text as readAll } from 'node:stream/consumers';
import { BacalhauError } from '../../mod/model/mod.ts';
import { parseJobFile, templateVariables } from '../../mod/spec/mod.ts';
import { defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { addRunFlags, type RunFlags } from '../run_flags.ts';
import { printJob, submitAndWatch } from '../submit.ts';

interface Options extends RunFlags {
  readonly hideWarnings: boolean;
  readonly template: boolean;
  readonly force: boolean;
  readonly templateVars: readonly string[];
  readonly templateEnvs?: string;
}

/** @param file absent or `-`: standard input */
export async function readJobText(context: Context, file: string | undefined): Promise<string> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) context.complain('Reading from standard input; end it with Ctrl-D.\n');
    return await readAll(process.stdin);
  }
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : message;
    throw new BacalhauError('BadRequest', `Cannot read job file "${file}": ${why}`, {
      hint: 'Give the path of a YAML or JSON file, or "-" for standard input.',
      cause,
    });
  }
}

/** `a=1,b=2` or several flags; a comma that no `key=` follows belongs to the value before it. */
function readVariables(texts: readonly string[]): Record<string, string> {
  const pairs = texts.flatMap((text) => text.split(/,(?=[^,=]+=)/));
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) {
      throw new BacalhauError(
        'BadRequest',
        `Cannot use template variable "${pair}": it is not of the form key=value`,
      );
    }
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('[file]', 'job file; "-" or nothing is standard input')
      .option('--hide-warnings', 'do not print warnings', false)
      .option('--no-template', 'the file is no template')
      .option('--force', 'submit again even where nothing changed', false)
      .repeatable('-V, --template-vars <key=value>', 'variables of the template')
      .option('-E, --template-envs <pattern>', 'environment variables for the template');
    addRunFlags(command);
  },
  run: async ([file], options, context) => {
    const text = await readJobText(context, file);
    const env = Object.fromEntries(
      Object.entries(context.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const { job, warnings } = await parseJobFile(text, {
      ...(file === undefined || file === '-' ? {} : { name: file }),
      ...(options.template
        ? {
          variables: templateVariables(readVariables(options.templateVars), env, options.templateEnvs ?? ''),
        }
        : {}),
    });
    if (!options.hideWarnings && !options.idOnly) {
      for (const warning of warnings) context.complain(`Warning: ${warning}\n`);
    }
    if (options.dryRun) {
      await printJob(context, job);
      return 0;
    }
    return await submitAndWatch(context, job, options, {
      force: options.force,
      hideWarnings: options.hideWarnings,
    });
  },
});
