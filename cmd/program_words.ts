/** `docker run IMAGE sh -c 'echo hi'` without `--`: the `-c` is ours then, and what it says is no configuration. */
import { BacalhauError } from '../mod/model/errors.ts';
import type { Context } from './context.ts';

/**
 * Reads the configuration before anything is sent, also for a dry run.
 * @param example how the words of a program are given to this command
 * @throws BacalhauError with a hint at `--` where a `-c` may have been meant for the program
 */
export async function checkConfigFlags(context: Context, example: string): Promise<void> {
  try {
    await context.settings();
  } catch (thrown) {
    if (!(thrown instanceof BacalhauError) || context.globals.config.length === 0) throw thrown;
    throw new BacalhauError(thrown.code, thrown.message, {
      hint: `${thrown.hint}\nA -c that belongs to the program comes after --: ${example}`.trim(),
      cause: thrown,
    });
  }
}
