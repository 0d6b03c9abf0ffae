/** Runs a shell script in a container of the test's image and gives its output. */
import type { HostConfig } from '../../../../runtime/docker/mod.ts';
import type { TestDocker } from '../../../support/docker.ts';

export interface ScriptOptions {
  readonly install: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly host?: HostConfig;
  readonly macAddress?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A container that is there until it is disposed. */
export async function start(docker: TestDocker, script: string, options: ScriptOptions) {
  const { containers } = docker.docker;
  const { Id } = await containers.create({
    Image: await docker.image(),
    Cmd: ['/bin/sh', '-c', script],
    Labels: { ...options.labels, 'bacalhau.install': options.install },
    Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    HostConfig: options.host ?? {},
    ...(options.macAddress === undefined ? {} : { MacAddress: options.macAddress }),
  });
  await containers.start(Id);
  return {
    id: Id,
    /** All output so far; with `end` up to the end of the program. */
    async output(end = false): Promise<string> {
      if (end) await containers.wait(Id, 'not-running').result;
      const parts: Uint8Array[] = [];
      for await (const { bytes } of containers.logs(Id, { stdout: true, stderr: true })) {
        parts.push(bytes.slice());
      }
      return Buffer.concat(parts).toString('latin1');
    },
    [Symbol.asyncDispose]: () => containers.remove(Id, { force: true, volumes: true }),
  };
}

export async function runScript(docker: TestDocker, script: string, options: ScriptOptions): Promise<string> {
  await using container = await start(docker, script, options);
  return await container.output(true);
}

/** Output by the name of its probe, from a script made of {@link probe}s. */
export function sections(output: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    output.split(/^== /m).slice(1).map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end + 1)];
    }),
  );
}

/** One command under a name; its output ends with `exit <code>`. */
export function probe(name: string, command: string): string {
  return `echo "== ${name}"; (${command}) 2>&1; echo "exit $?"\n`;
}
