/** `bacalhau wasm run MODULE [ARG…]`: a job around one module (cli.md 9.3, job-spec.md 1.15). */
import { existsSync } from 'node:fs';
import { BacalhauError, type InputSource } from '../../mod/model/mod.ts';
import { parseInput } from '../../mod/spec/mod.ts';
import { defineCommand } from '../command.ts';
import { checkConfigFlags } from '../program_words.ts';
import { addRunFlags, type RunFlags } from '../run_flags.ts';
import { addSpecFlags, buildJob, listOf, type SpecFlags, warnOldFlags } from '../spec_flags.ts';
import { printJob, submitAndWatch } from '../submit.ts';
import { embedModule } from './embed.ts';

interface Options extends SpecFlags, RunFlags {
  readonly entryPoint: string;
  readonly importModules: readonly string[];
}

const ENTRY_TARGET = 'main.wasm';

interface ModuleArgument {
  /** Where the module is found among the inputs. */
  readonly target: string;
  readonly input?: InputSource;
}

/** A URL, a local file (`path` or `path:target`), or the target of an `-i` input. */
async function readModule(
  text: string,
  targets: readonly string[],
  fallback: string,
): Promise<ModuleArgument> {
  if (text.includes('://')) {
    const input = parseInput(text, fallback);
    if (input.Target === '') throw placeMissing(text);
    return { target: input.Target, input };
  }
  const [path, target, more] = text.split(':');
  const file = existsSync(text) ? text : more === undefined && path && existsSync(path) ? path : undefined;
  if (file !== undefined) {
    const place = (file === text ? undefined : target) || fallback;
    if (!place) throw placeMissing(text);
    return { target: place, input: { Source: await embedModule(file), Alias: '', Target: place } };
  }
  if (targets.includes(text)) return { target: text };
  const isInside = targets.some((each) => text.startsWith(`${each.replace(/\/$/, '')}/`));
  if (isInside) return { target: text };
  throw new BacalhauError(
    'BadRequest',
    `Cannot use module "${text}": no such file, and no input has this target`,
    {
      hint: 'Give the path of a .wasm file, a URL, or the target of one of the inputs given with -i.',
    },
  );
}

function placeMissing(text: string): BacalhauError {
  return new BacalhauError('BadRequest', `Cannot use import module "${text}": its place is missing`, {
    hint: 'Write PATH:TARGET, TARGET being where the importing module finds it.',
  });
}

const EXAMPLES = `
Examples:
  # A module of this machine travels with the job; what follows -- goes to it as it is
  bacalhau wasm run ./main.wasm -- -n 5 /inputs/text

  # From a URL, put where the task finds it
  bacalhau wasm run https://example.com/main.wasm:/app/main.wasm

  # From an input
  bacalhau wasm run -i s3://bucket/modules:/app /app/main.wasm

  # With a module that it imports under the name "/app/lib.wasm"
  bacalhau wasm run -I ./lib.wasm:/app/lib.wasm ./main.wasm

  # Reach one domain and nothing else (host function http_request)
  bacalhau wasm run --network http --domain example.com ./fetch.wasm

  # Save the job as a file, look at it, submit it
  bacalhau wasm run --dry-run ./main.wasm > job.yaml
  bacalhau job run job.yaml`;

export const command = defineCommand<Options>({
  configure: (command) => {
    command.usage('[flags] ENTRY-MODULE [wasm-args...]')
      .argument('<module>', 'local file or URL, also with :TARGET, or the target of an input')
      .argument('[args...]', 'arguments of the module; begin with -- where they look like flags')
      .option('--entry-point <function>', 'exported function without parameters to call', '_start')
      .repeatable(
        '-I, --import-modules <module>',
        'modules that the first one imports, as the first is given',
      )
      .addHelpText('after', EXAMPLES);
    addSpecFlags(command);
    addRunFlags(command);
  },
  run: async ([module, ...parameters], options, context) => {
    if (options.entryPoint.trim() === '') {
      throw new BacalhauError('BadRequest', 'Cannot use --entry-point "": it names no function', {
        hint: 'Name an exported function, or leave the flag out for _start.',
      });
    }
    const targets = options.input.map((text) => parseInput(text).Target);
    const entry = await readModule(module!, targets, ENTRY_TARGET);
    const listed = options.importModules.flatMap((text) => listOf('--import-modules', text));
    const imports = await Promise.all(listed.map((text) => readModule(text, targets, '')));
    const job = buildJob(options, {
      engine: {
        Type: 'wasm',
        Params: {
          EntryModule: entry.target,
          Entrypoint: options.entryPoint,
          Parameters: parameters,
          ImportModules: imports.length > 0 ? imports.map(({ target }) => target) : null,
        },
      },
      inputs: [entry, ...imports].flatMap(({ input }) => input ? [input] : []),
    });
    await checkConfigFlags(context, 'bacalhau wasm run MODULE -- …');
    warnOldFlags(context, options);
    if (options.dryRun) return void await printJob(context, job);
    return await submitAndWatch(context, job, options);
  },
});
