/** An engine on the test's dockerd with a folder for its runs; all that it made is gone, or found, when it is disposed. */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { dockerEngine, type DockerEngineOptions } from '../../../../mod/engine/docker/mod.ts';
import type { Engine, Run, RunEnd, RunRequest } from '../../../../mod/engine/engine.ts';
import type { NetworkConfig, Resources } from '../../../../mod/model/mod.ts';
import { logText } from '../../../support/log_text.ts';
import { realWorld } from '../../../../runtime/world.ts';
import type { TestDocker } from '../../../support/docker.ts';

export interface RunOptions extends Partial<Omit<RunRequest, 'task' | 'resources'>> {
  /** Run by `/bin/sh -c`. */
  readonly script?: string;
  /** Engine parameters beside the image. */
  readonly params?: Readonly<Record<string, unknown>>;
  readonly image?: string;
  readonly network?: NetworkConfig;
  readonly resources?: Resources;
}

export class Workbench implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'docker-engine-'));
  readonly installId = `test-${realWorld.uuid()}`;
  engine!: Engine;
  #runs = 0;

  private constructor(readonly host: TestDocker, readonly image: string) {}

  static async open(host: TestDocker, options: Partial<DockerEngineOptions> = {}): Promise<Workbench> {
    const bench = new Workbench(host, await host.image());
    bench.engine = await bench.anotherEngine(options);
    return bench;
  }

  /** As after a restart of the node. */
  anotherEngine(options: Partial<DockerEngineOptions> = {}): Promise<Engine> {
    return dockerEngine({
      world: realWorld,
      nodeId: 'n-test',
      installId: this.installId,
      directory: join(this.folder, 'engine'),
      host: this.host.host,
      env: {},
      blockMetadata: false,
      ...options,
    });
  }

  request(options: RunOptions = {}): RunRequest {
    const { script, params, image = this.image, network, resources = {}, ...rest } = options;
    const executionId = rest.executionId ?? `e-${this.installId}-${++this.#runs}`;
    const directory = rest.directory ?? join(this.folder, executionId, String(rest.runNo ?? 1));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return {
      jobId: 'j-test',
      runNo: 1,
      env: {},
      inputs: [],
      outputs: [],
      logPath: join(directory, 'log'),
      logLimit: 1024 ** 3,
      ...rest,
      executionId,
      directory,
      resources,
      task: {
        Name: 'main',
        Engine: {
          Type: 'docker',
          Params: {
            Image: image,
            ...(script === undefined ? {} : { Entrypoint: ['/bin/sh', '-c'], Parameters: [script] }),
            ...params,
          },
        },
        Publisher: null,
        Network: network ?? { Type: 'None' },
      },
    };
  }

  async create(options: RunOptions = {}): Promise<{ request: RunRequest; run: Run }> {
    const request = this.request(options);
    return { request, run: await this.engine.create(request, new AbortController().signal) };
  }

  async started(options: RunOptions = {}): Promise<{ request: RunRequest; run: Run }> {
    const made = await this.create(options);
    await made.run.start();
    return made;
  }

  /** From creation to removal; nothing is left on the engine after it. */
  async run(options: RunOptions = {}): Promise<{ end: RunEnd; stdout: string; stderr: string }> {
    const { request, run } = await this.started(options);
    const end = await run.wait();
    await run.remove();
    expect(await this.left()).toEqual([]);
    return { end, ...await output(request) };
  }

  /** Containers and networks of this workbench on the engine. */
  async left(): Promise<string[]> {
    const { containers, networks } = await this.host.ours(this.installId);
    return [...containers, ...networks];
  }

  /** An empty folder, as the node makes one. */
  makeFolder(...path: string[]): string {
    const folder = join(this.folder, ...path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const object of await this.engine.objects!()) await this.engine.discard!(object);
    await this.engine.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What the log of a run holds, by stream, as text of bytes. */
export const output = ({ logPath }: Pick<RunRequest, 'logPath'>) => logText(logPath, 'latin1');

/** Resolves when the log has at least so many bytes. */
export async function logGrows(path: string, bytes: number): Promise<void> {
  while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < bytes) await realWorld.sleep(5);
}
