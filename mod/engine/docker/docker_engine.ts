/**
 * The engine `docker`: containers on an engine that speaks Docker's API. See README.md for the life of one.
 */
import process from 'node:process';
import { setImmediate } from 'node:timers/promises';
import { BacalhauError, type Refusal, type StringMap, type Task } from '../../model/mod.ts';
import { DockerError } from '../../../runtime/docker/mod.ts';
import { DECISION_LOG } from '../../../runtime/egress/mod.ts';
import type { Engine, EngineIdentity, EngineObject, Run, RunRequest } from '../engine.ts';
import { createContainer, removeContainer } from './container.ts';
import { containerConfig, networkKind, type NetworkPlan } from './container_config.ts';
import { startFailure } from './failures.ts';
import { gpuFields } from './gpus.ts';
import { Health } from './health.ts';
import { HeldMounts } from '../mounts.ts';
import { seesHandles } from './handle_mounts.ts';
import { openMounts } from './host_files.ts';
import { installFilter, objectLabels, objectName, runOfLabels } from './names.ts';
import type { DockerEngineParts, DockerEngineSettings, HttpRun } from './options.ts';
import { type DockerParams, isRefusal, parseDockerParams } from './docker_params.ts';
import { reclaim } from './reclaim.ts';
import { DockerRun } from './docker_run.ts';
import type { RunHost } from './run_host.ts';

export class DockerEngine implements Engine {
  readonly type = 'docker';
  readonly #parts: DockerEngineParts;
  readonly #settings: DockerEngineSettings;
  readonly #health: Health;
  readonly #host: RunHost;
  /** What is still being made when the node goes would outlast it: a pull takes its time. */
  readonly #closing = new AbortController();
  /** Under these execution ids there are containers that no run has. */
  readonly #helpers = new Set<string>();
  #handlesSeen: Promise<boolean> | undefined;

  constructor(parts: DockerEngineParts, settings: DockerEngineSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#health = new Health(parts.docker, settings.world);
    this.#host = {
      docker: parts.docker,
      world: settings.world,
      settings,
      http: parts.http,
      guard: parts.guard,
      live: new Set(),
      facts: () => this.#health.facts(),
      log: (level, message, fields) => settings.logger?.log(level, message, fields),
    };
  }

  async available(): Promise<Refusal | null> {
    const refusal = await this.#health.available();
    if (!refusal) this.#parts.http?.warn();
    return refusal;
  }

  async check(task: Task, signal?: AbortSignal): Promise<Refusal | null> {
    const params = parseDockerParams(task.Engine);
    if (isRefusal(params)) return params;
    const network = task.Network;
    if (networkKind(network?.Type) === 'http') {
      const { http } = this.#parts;
      if (!http) return NO_HTTP;
      const refusal = http.check(network?.Domains ?? []) ?? await http.available();
      if (refusal) return refusal;
    }
    return await this.#parts.images.check(params.image, signal);
  }

  async pin(task: Task, signal: AbortSignal): Promise<StringMap> {
    const params = parseDockerParams(task.Engine);
    return isRefusal(params) ? {} : await this.#parts.images.pin(params.image, signal);
  }

  async create(request: RunRequest, wanted: AbortSignal): Promise<Run> {
    const params = parseDockerParams(request.task.Engine);
    if (isRefusal(params)) throw refused(request, params);
    const signal = AbortSignal.any([wanted, this.#closing.signal]);
    signal.throwIfAborted();
    try {
      const run = await this.#create(request, params, signal);
      this.#host.live.add(run);
      // What it has begun to ask is on its way before the caller's commit holds up this thread.
      await setImmediate();
      if (!signal.aborted) return run;
      await run.remove();
      throw signal.reason;
    } catch (thrown) {
      await this.#releaseNetwork(request);
      throw startFailure(thrown, `create the container of task "${request.task.Name}"`);
    }
  }

  /** @throws DockerError when the engine does not answer: the run may be there */
  async find(identity: EngineIdentity, request: RunRequest): Promise<Run | null> {
    const found = await this.#parts.docker.containers.inspect(identity.id).catch((thrown: unknown) => {
      if (thrown instanceof DockerError && thrown.code === 'ContainerNotFound') return null;
      throw thrown;
    });
    if (!found || found.State.Status === 'removing') return null;
    const ended = found.State.Status === 'exited' || found.State.Status === 'dead';
    if (!ended) await this.#adoptNetwork(request);
    const run = new DockerRun(this.#host, request, identity.id, { found });
    this.#host.live.add(run);
    return run;
  }

  async objects(): Promise<readonly EngineObject[]> {
    const { installId } = this.#settings;
    const { containers, networks } = this.#parts.docker;
    const filters = installFilter(installId);
    // Made and removed by this engine itself; one that ends meanwhile may still be in the list.
    const trials = () => [...this.#parts.http?.trials ?? [], ...this.#helpers];
    const before = new Set(trials());
    const [made, nets] = await Promise.all([
      containers.list({ all: true, filters: { ...filters } }),
      networks.list({ ...filters }),
    ]);
    const objects: EngineObject[] = [];
    const add = (kind: string, id: string, labels: StringMap | null) => {
      const run = runOfLabels(installId, labels);
      if (run && !before.has(run.executionId) && !trials().includes(run.executionId)) {
        objects.push({ kind, id, executionId: run.executionId, runNo: run.runNo });
      }
    };
    for (const { Id, Labels } of made) add('container', Id, Labels);
    for (const { Id, Labels } of nets) add('network', Id, Labels);
    return objects;
  }

  async discard({ kind, id, executionId, runNo }: EngineObject): Promise<void> {
    const { containers, networks } = this.#parts.docker;
    await removeContainer(
      kind === 'network' ? networks.remove(id) : containers.remove(id, { force: true, volumes: true }),
    );
    await this.#releaseNetwork({ executionId, runNo });
  }

  async reclaim(folder: string): Promise<void> {
    // Root reads all; where there are no users, the engine's machine has none of ours either.
    if (!process.getuid || process.getuid() === 0) return;
    await this.#withHelper((labels) => reclaim(this.#parts.docker, folder, labels));
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the node stops'));
    for (const run of [...this.#host.live]) run.detach();
    await this.#parts.images.close();
    // Their namespaces live on with the containers; the next node takes them over.
    await this.#parts.http?.shutdown();
    await this.#parts.guard?.close();
    this.#parts.docker.close();
  }

  async #create(request: RunRequest, params: DockerParams, signal: AbortSignal): Promise<DockerRun> {
    const { docker, images } = this.#parts;
    using stack = new DisposableStack();
    const mounts = stack.use(await HeldMounts.of(request));
    const { resources, pinned = {}, progress = () => {} } = request;
    // Each to its end before an error is thrown, so that nothing is still being made while it is cleared away.
    const ensured = () => images.ensure(params.image, pinned, progress, signal);
    const seen = await images.seen(params.image, pinned);
    const [image, network, facts, gpus, , byHandle] = await allDone([
      seen ?? ensured(),
      this.#openNetwork(request, signal),
      this.#health.facts(),
      gpuFields(resources.GPUs ?? [], { uuidOf: this.#settings.gpuUuid }),
      openMounts(request),
      request.inputs.some(({ handle }) => handle?.isFolder) && this.#seesHandles(),
    ]);
    signal.throwIfAborted();
    const configOf = (image: string) =>
      containerConfig({
        request,
        params,
        image,
        installation: this.#settings,
        hardening: this.#settings,
        facts,
        gpus,
        network,
        byHandle,
      });
    const name = objectName(this.#settings.nodeId, request, 'executor');
    const made = async (image: string) => {
      const id = await createContainer(docker, configOf(image), name, request, this.#settings.installId);
      stack.move();
      return new DockerRun(this.#host, request, id, { mounts });
    };
    try {
      return await made(image);
    } catch (thrown) {
      if (seen === null || !(thrown instanceof DockerError && thrown.code === 'ImageNotFound')) throw thrown;
      // It was removed after the bid.
      return await made(await ensured());
    }
  }

  #seesHandles(): Promise<boolean> {
    const { docker } = this.#parts;
    return this.#handlesSeen ??= this.#withHelper((labels) =>
      seesHandles(docker, this.#settings.directory, labels)
    );
  }

  /** @param step makes a container with these labels, and removes it */
  async #withHelper<T>(step: (labels: StringMap) => Promise<T>): Promise<T> {
    const executionId = `helper-${this.#settings.world.uuid()}`;
    this.#helpers.add(executionId);
    try {
      return await step(objectLabels(this.#settings, { jobId: '', executionId, runNo: 1 }, 'files'));
    } finally {
      this.#helpers.delete(executionId);
    }
  }

  async #openNetwork(request: RunRequest, signal: AbortSignal): Promise<NetworkPlan> {
    const { http, guard } = this.#parts;
    const kind = networkKind(request.task.Network?.Type);
    switch (kind) {
      case 'bridge': {
        const endpoint = await guard?.endpoint(request.executionId, request.runNo);
        return { kind, macAddress: endpoint?.macAddress };
      }
      case 'http':
        if (!http) throw refused(request, NO_HTTP);
        return { kind, ...await http.open(this.#httpRun(request), signal) };
      case 'none':
        return { kind, hosts: this.#settings.hosts };
      default:
        return { kind };
    }
  }

  async #adoptNetwork(request: RunRequest): Promise<void> {
    if (networkKind(request.task.Network?.Type) !== 'http') return;
    try {
      await this.#parts.http?.adopt(this.#httpRun(request));
    } catch (thrown) {
      this.#host.log('warn', 'cannot restore the HTTP network of a run', {
        execution: request.executionId,
        error: String(thrown),
      });
    }
  }

  async #releaseNetwork({ executionId, runNo }: { executionId: string; runNo: number }): Promise<void> {
    const { http, guard } = this.#parts;
    await Promise.all([http?.close(executionId, runNo), guard?.release(executionId, runNo)]);
  }

  #httpRun(request: RunRequest): HttpRun {
    const { executionId, jobId, runNo, task, directory, remark } = request;
    return {
      executionId,
      jobId,
      runNo,
      name: objectName(this.#settings.nodeId, request, 'network'),
      labels: objectLabels(this.#settings, request, 'network'),
      domains: task.Network?.Domains ?? [],
      decisionLog: `${directory}/${DECISION_LOG}`,
      ...(remark && { remark }),
    };
  }
}

const NO_HTTP: Refusal = Object.freeze({
  code: 'NetworkUnavailable',
  reason: 'this node does not offer HTTP networks to containers',
  hint: 'Use Network.Type Bridge or None, or a node whose Docker engine runs on the same Linux machine',
  retryable: false,
});

function refused(request: RunRequest, { code, reason, hint }: Refusal): BacalhauError {
  return new BacalhauError(code, `Cannot run task "${request.task.Name}": ${reason}`, {
    component: 'Docker',
    hint,
    details: { class: 'user' },
  });
}

/** As `Promise.all`, but rejects only when all have settled. */
async function allDone<T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises);
  return await Promise.all(promises) as { -readonly [K in keyof T]: Awaited<T[K]> };
}
