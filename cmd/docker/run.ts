/** `bacalhau docker run IMAGE [COMMAND] [ARG…]`: a job around one container (cli.md 9.3 and 11.6, job-spec.md 1.15). */
import { parsePort } from '../../mod/spec/mod.ts';
import { defineCommand } from '../command.ts';
import { checkConfigFlags } from '../program_words.ts';
import { addRunFlags, type RunFlags } from '../run_flags.ts';
import { addSpecFlags, buildJob, listOf, type SpecFlags, warnOldFlags } from '../spec_flags.ts';
import { printJob, submitAndWatch } from '../submit.ts';

interface Options extends SpecFlags, RunFlags {
  readonly entrypoint: readonly string[];
  readonly workdir?: string;
  readonly port: readonly string[];
}

const EXAMPLES = `
Examples:
  # What follows -- goes to the program as it is; without it, flags are bacalhau's own
  bacalhau docker run ubuntu:24.04 -- sh -c 'echo hi; ls -l /'

  # Count the words of a folder of the node, and fetch the counts
  bacalhau docker run -i file:///data/books:/inputs -o outputs:/outputs -p local busybox:1.36 -- \\
    sh -c 'cat /inputs/* | wc -w > /outputs/words.txt'
  bacalhau job get JOB

  # Reach one domain and nothing else
  bacalhau docker run --network http --domain example.com curlimages/curl -- curl https://example.com/

  # A server on a free port of the node
  bacalhau docker run --port name=http,target=80 --wait=false httpd:2.4

  # Save the job as a file, look at it, submit it
  bacalhau docker run --dry-run ubuntu:24.04 echo hello > job.yaml
  bacalhau job run job.yaml

  # An image that cannot change
  bacalhau docker run ubuntu@sha256:35b4f89ec2ee42e7e12db3d107fe6a487137650a2af379bbd49165a1494246ea echo hello`;

export const command = defineCommand<Options>({
  configure: (command) => {
    command.usage('[flags] IMAGE[:TAG|@DIGEST] [COMMAND] [ARG...]')
      .argument('<image>', 'name of the image, with tag or digest')
      .argument(
        '[command...]',
        "program and arguments, instead of the image's; begin with -- where they look like flags",
      )
      .repeatable('--entrypoint <words>', "entry point instead of the image's; commas separate its words")
      .option('-w, --workdir <path>', "working directory of the program, instead of the image's")
      .repeatable('--port <name=NAME>', 'publish a port: name=NAME,target=PORT[,static=PORT][,host=ADDRESS]')
      .addHelpText('after', EXAMPLES);
    addSpecFlags(command);
    addRunFlags(command);
  },
  run: async ([image, ...parameters], options, context) => {
    const words = options.entrypoint.flatMap((text) => listOf('--entrypoint', text));
    const job = buildJob(options, {
      engine: {
        Type: 'docker',
        Params: {
          Image: image!,
          Entrypoint: options.entrypoint.length > 0 ? words : null,
          Parameters: parameters,
          EnvironmentVariables: null,
          WorkingDirectory: options.workdir ?? '',
        },
      },
      ports: options.port.map(parsePort),
    });
    await checkConfigFlags(context, 'bacalhau docker run IMAGE -- sh -c "…"');
    warnOldFlags(context, options);
    if (options.dryRun) return void await printJob(context, job);
    return await submitAndWatch(context, job, options);
  },
});
