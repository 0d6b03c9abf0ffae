/** `bacalhau job get JOB`: download and unpack the published results (cli.md section 12, job-spec.md 5.6). */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BacalhauError } from '../../mod/model/mod.ts';
import { printableLine } from '../../runtime/printable.ts';
import { defineCommand } from '../command.ts';
import { loadConfiguration } from '../configuration.ts';
import type { Context } from '../context.ts';
import { interruptible, limited } from '../interrupt.ts';
import { resultUrl } from './download.ts';
import { fetchRaw, fetchResults } from './fetch_results.ts';

interface Options {
  readonly outputDir?: string;
  readonly raw: boolean;
  readonly downloadTimeoutSecs: string;
  readonly namespace?: string;
}

export const command = defineCommand<Options>({
  configure: (command) => {
    command.argument('<job>', 'name or id')
      .option('--output-dir <folder>', 'where to; ./job-JOB if not given')
      .option('--raw', 'keep the archives as they are', false)
      .option('--download-timeout-secs <time>', 'for all downloads, in seconds or as 5m', '5m0s')
      .option('--namespace <name>', 'namespace to look a name up in');
  },
  run: async ([argument], options, context) => {
    // JOB/path names one file of a result; over HTTP a result comes whole.
    const job = argument!.split('/', 1)[0]!;
    const timeout = readTimeout(options.downloadTimeoutSecs);
    const client = await context.client();
    context.complain(`Fetching results of job '${job}'...\n`);
    const results = await client.results(job, options.namespace ? { namespace: options.namespace } : {});
    if (results.length === 0) {
      context.print(
        `No results found for job '${job}'.\nIts output can be read with:\n\tbacalhau job logs ${job}\n`,
      );
      return 0;
    }
    const unknown = results.filter((result) => resultUrl(result) === undefined);
    if (unknown.length > 0) {
      context.complain('These results cannot be downloaded by this program:\n');
      context.print(`${JSON.stringify(unknown, undefined, 4)}\n`);
      return 0;
    }
    const target = resolve(options.outputDir ?? defaultFolder(job, options.namespace));
    const folder = options.raw ? join(target, 'raw') : target;
    await mkdir(folder, { recursive: true });
    // Executions that published the same thing are one result.
    const urls = [...new Set(results.map((result) => resultUrl(result)!))];
    const { config } = await loadConfiguration(context.globals, context.env);
    const { MaxSize: maxBytes } = config.ResultDownloaders;
    const skipped = new Skipped(context);
    await interruptible((user) =>
      limited(timeout, user, async (signal) => {
        try {
          await (options.raw ? fetchRaw : fetchResults)(urls, {
            folder,
            maxBytes,
            signal,
            skipped: skipped.add,
          });
        } catch (cause) {
          if (!signal.aborted) throw cause;
          const why = 'Cannot download the results: stopped or out of time';
          throw new BacalhauError('TimeOut', why, { cause });
        }
      })
    );
    skipped.end();
    context.print(`Results for job '${job}' have been written to...\n${target}\n`);
    return 0;
  },
});

/** Says what was left out of a result: the first ones by name. */
class Skipped {
  #count = 0;

  constructor(readonly context: Context) {}

  readonly add = (name: string, why: string): void => {
    if (this.#count++ < 20) this.context.complain(`Warning: left out "${printableLine(name)}": ${why}\n`);
  };

  end(): void {
    if (this.#count > 20) this.context.complain(`Warning: left out ${this.#count - 20} more\n`);
    if (this.#count > 0) this.context.complain('Use --raw to keep the archives as they are.\n');
  }
}

function defaultFolder(job: string, namespace: string | undefined): string {
  return !namespace || namespace === 'default' ? `job-${job}` : `job-${namespace}-${job}`;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `300`, `300s` or `1h5m`. */
function readTimeout(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new BacalhauError('BadRequest', `Cannot use --download-timeout-secs "${text}": it is no time`, {
      hint: 'Write seconds (300) or a duration (5m, 1h30m).',
    });
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit!]!, 0);
}
