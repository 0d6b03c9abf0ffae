/**
 * One container from its creation to its removal. While it runs there are two connections: the attached output, pumped
 * into the log, and the wait for its end; both exist before the program starts, so neither first byte nor end is missed.
 * Where a connection breaks, the engine is asked again until it answers or the grace is over: a wait never hangs.
 */
import { type ContainerInspect, type ContainerState, DockerError } from '../../../runtime/docker/mod.ts';
import type { EngineIdentity, Run, RunEnd, RunRequest } from '../engine.ts';
import type { HeldMounts } from '../mounts.ts';
import * as ends from './ends.ts';
import { isNotFound, removeContainer } from './container.ts';
import { startFailure } from './failures.ts';
import { mountsHandles } from './handle_mounts.ts';
import { Listener, type Watch } from './listener.ts';
import { isListening } from './listening.ts';
import type { RunHost } from './run_host.ts';
import { endOfContainer } from './end_of_container.ts';

/** To remove a container costs the host more than to report its end: the report, just sent, is let arrive first. */
const REPORT_FIRST_MS = 25;
const GRACE_MS = 60_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
/** An engine may learn of an out-of-memory kill a moment after the end that it caused. */
const OOM_LOOKS_MS = [20, 80, 200, 700];
const SIGKILL_EXIT = 137;
const STOPPED = ends.stopped();
const LOST_OUTPUT =
  'output may be missing here: the program ended while its engine was away, which keeps no output then';

export class DockerRun implements Run {
  readonly identity: EngineIdentity;
  readonly state?: 'created' | 'running' | 'ended';
  readonly stale: boolean;
  readonly #mounts: HeldMounts | undefined;
  readonly #host: RunHost;
  readonly #request: RunRequest;
  readonly #id: string;
  readonly #listener: Listener;
  readonly #end = Promise.withResolvers<RunEnd>();
  /** Fires when nobody listens any more: removed, or the engine is closed. */
  readonly #gone = new AbortController();
  #watch: Promise<Watch> | null = null;
  #started: boolean;
  #stopping = false;
  #ended = false;

  /**
   * @param known `mounts` of a container just made, which are its own from now on; or what `find` saw
   */
  constructor(
    host: RunHost,
    request: RunRequest,
    id: string,
    { found, mounts }: { readonly found?: ContainerInspect; readonly mounts?: HeldMounts },
  ) {
    this.#host = host;
    this.#request = request;
    this.#id = id;
    this.#listener = new Listener(host, request, id, this.#gone.signal);
    this.identity = Object.freeze({ engine: 'docker', id });
    const state = found ? stateOf(found.State) : 'created';
    if (found) this.state = state;
    this.#mounts = mounts;
    this.stale = state === 'created' &&
      found !== undefined && mountsHandles(found);
    this.#started = state !== 'created';
    if (found && this.#started) this.#conclude(this.#resume(found.State));
    else this.#listenAhead();
  }

  async start(): Promise<void> {
    if (this.#started) throw new Error(`Cannot start run "${this.#id}": it was started before`);
    if (this.#stopping) throw new Error(`Cannot start run "${this.#id}": it was stopped`);
    this.#started = true;
    const watch = await this.#watch!.catch((thrown) => {
      // Podman makes the program ready when its output is attached to.
      throw startFailure(thrown, `start task "${this.#request.task.Name}"`);
    });
    try {
      this.#mounts?.check();
      await this.#host.docker.containers.start(this.#id);
    } catch (thrown) {
      watch.abort.abort();
      await watch.pumped;
      watch.capture.close();
      if (!isUnanswered(thrown)) throw startFailure(thrown, `start task "${this.#request.task.Name}"`);
      // The engine may have started it all the same: it is asked until it answers.
      return this.#conclude(this.#reconnect());
    }
    this.#conclude(this.#follow(watch));
  }

  wait(): Promise<RunEnd> {
    return this.#end.promise;
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#ended) return;
    this.#stopping = true;
    if (!this.#started) return this.#settle(STOPPED);
    await ignoring(
      ['ContainerNotFound', 'Conflict'],
      graceMs > 0
        ? this.#host.docker.containers.stop(this.#id, { seconds: Math.ceil(graceMs / 1000) })
        : this.#host.docker.containers.kill(this.#id, 'SIGKILL'),
    );
    await this.#end.promise;
  }

  async remove(): Promise<void> {
    this.#stopping = true;
    const { docker, http, guard, world } = this.#host;
    const { executionId, runNo } = this.#request;
    if (this.#ended) await world.sleep(REPORT_FIRST_MS, this.#gone.signal).catch(() => {});
    await removeContainer(docker.containers.remove(this.#id, { force: true, volumes: true }));
    this.detach();
    this.#settle(STOPPED);
    await Promise.all([http?.close(executionId, runNo), guard?.release(executionId, runNo)]);
  }

  async usage(): Promise<number> {
    const { SizeRw = 0 } = await this.#host.docker.containers.inspect(this.#id, { size: true });
    return SizeRw;
  }

  /** Listens no more; the container goes on, and `wait` stays open. Idempotent. */
  detach(): void {
    this.#gone.abort();
    this.#host.live.delete(this);
    this.#mounts?.[Symbol.dispose]();
  }

  #listenAhead(): void {
    this.#watch = this.#listener.fromStart();
    // Reported by `start`.
    this.#watch.catch(() => {});
  }

  async #follow(watch: Watch): Promise<RunEnd> {
    let exitCode: number;
    try {
      exitCode = (await watch.wait.result).StatusCode;
    } catch (thrown) {
      watch.abort.abort();
      await watch.pumped;
      watch.capture.close();
      if (this.#gone.signal.aborted) return STOPPED;
      if (isNotFound(thrown)) return this.#befell(ends.containerLost());
      return await this.#reconnect();
    }
    try {
      const [state, pumped, listening] = await Promise.all([
        this.#finalState(),
        this.#listener.drained(watch),
        isListening(this.#host.docker.endpoint),
      ]);
      watch.capture.close();
      if (pumped.kind === 'failed') return ends.logFailed(pumped.error);
      if (pumped.kind === 'broken' || watch.followed) await this.#readRest();
      // An engine that goes down ends its containers first; that says nothing about the program.
      if (!listening) return this.#befell(ends.engineRestarted());
      // Removed since; only a kill may have been part of that.
      if (!state && exitCode !== SIGKILL_EXIT) return Object.freeze({ kind: 'exited', exitCode });
      if (!state) return this.#befell(ends.containerLost());
      if (stateOf(state) === 'running') return this.#befell(ends.containerRestarted());
      // `docker rm -f` says so before it kills.
      const taken = state.Status === 'removing' && state.ExitCode === SIGKILL_EXIT;
      return taken ? this.#befell(ends.containerLost()) : await this.#endOf(state);
    } catch (thrown) {
      watch.abort.abort();
      watch.capture.close();
      return await this.#afterError(thrown);
    }
  }

  /** The state after the end, null when it is gone; looks again where a kill by the kernel is not explained yet. */
  async #finalState(): Promise<ContainerState | null> {
    const { docker, world } = this.#host;
    try {
      let { State } = await docker.containers.inspect(this.#id);
      for (const ms of OOM_LOOKS_MS) {
        const unexplained = State.ExitCode === SIGKILL_EXIT && !State.OOMKilled && !this.#stopping &&
          State.Status !== 'removing' && (this.#request.resources.Memory ?? 0) > 0;
        if (!unexplained) break;
        await world.sleep(ms);
        ({ State } = await docker.containers.inspect(this.#id));
      }
      return State;
    } catch (thrown) {
      if (isNotFound(thrown)) return null;
      throw thrown;
    }
  }

  /**
   * Reads what a container that has ended left in the engine's log.
   * @param mark to be put behind it
   * @throws DockerError, and the error of the log's file
   */
  async #readRest(mark?: string): Promise<void> {
    const { capture, pumped } = await this.#listener.again(false);
    const result = await pumped;
    if (result.kind === 'complete' && mark !== undefined) capture.mark(mark);
    capture.close();
    if (result.kind === 'failed') throw result.error;
    if (result.kind === 'broken') {
      throw new DockerError('Unavailable', 'the engine went away while its log was read', {
        subject: this.#id,
      });
    }
  }

  async #resume(state: ContainerState, broken = false): Promise<RunEnd> {
    try {
      const now = stateOf(state);
      if (now === 'created') return this.#befell(ends.startUnanswered());
      if (now === 'running') return await this.#follow(await this.#listener.again(true));
      const { liveRestore } = await this.#host.facts();
      // A local connection breaks only when the engine goes away, and, without live-restore, its containers with it.
      const engineWasAway = broken && this.#host.docker.endpoint.isLocal;
      await this.#readRest(engineWasAway && liveRestore ? LOST_OUTPUT : undefined);
      return engineWasAway && !liveRestore ? this.#befell(ends.engineRestarted()) : await this.#endOf(state);
    } catch (thrown) {
      return await this.#afterError(thrown);
    }
  }

  /** What is no error of the engine is one of the log's file. */
  async #afterError(thrown: unknown): Promise<RunEnd> {
    if (isNotFound(thrown)) return this.#befell(ends.containerLost());
    if (!(thrown instanceof DockerError)) return ends.logFailed(thrown);
    if (this.#gone.signal.aborted) throw thrown;
    return await this.#reconnect();
  }

  async #reconnect(): Promise<RunEnd> {
    const { docker, world, settings } = this.#host;
    const { signal } = this.#gone;
    const deadline = world.elapsed() + (settings.engineGraceMs ?? GRACE_MS);
    let away = false;
    for (let waitMs = FIRST_RETRY_MS;; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
      try {
        const { State } = await docker.containers.inspect(this.#id);
        if (away) this.#request.remark?.(ends.BACK);
        return await this.#resume(State, true);
      } catch (thrown) {
        if (isNotFound(thrown)) return this.#befell(ends.containerLost());
        if (signal.aborted) return STOPPED;
        if (world.elapsed() > deadline) return ends.engineUnavailable(thrown);
        if (!away) this.#request.remark?.(ends.AWAY, { Hint: ends.LOOK_AT_ENGINE });
        away = true;
      }
      await world.sleep(waitMs, signal).catch(() => {});
    }
  }

  async #endOf(state: ContainerState): Promise<RunEnd> {
    if (this.#stopping) return ends.stopped(state.ExitCode);
    return await endOfContainer(this.#host, this.#id, state, this.#request);
  }

  /** What befell the container, unless it was to be stopped anyway. */
  #befell(end: RunEnd): RunEnd {
    return this.#stopping ? STOPPED : end;
  }

  #conclude(end: Promise<RunEnd>): void {
    const { executionId, runNo } = this.#request;
    end.then(async (result) => {
      if (!this.#gone.signal.aborted) await this.#host.http?.settle(executionId, runNo);
      this.#settle(result);
    }).catch((thrown) => {
      if (!this.#gone.signal.aborted) this.#end.reject(thrown);
    });
  }

  #settle(end: RunEnd): void {
    // A run that is only left alone goes on: whoever finds it next tells its end.
    if (this.#gone.signal.aborted && !this.#stopping) return;
    this.#ended = true;
    this.#end.resolve(end);
  }
}

function stateOf({ Status }: ContainerState): 'created' | 'running' | 'ended' {
  if (Status === 'created') return 'created';
  return Status === 'exited' || Status === 'dead' || Status === 'removing' ? 'ended' : 'running';
}

/** The engine may have done it, or may yet do it. */
function isUnanswered(thrown: unknown): boolean {
  return thrown instanceof DockerError && thrown.status === undefined &&
    (thrown.code === 'Unavailable' || thrown.code === 'Deadline');
}

async function ignoring(codes: readonly string[], call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (thrown) {
    if (!(thrown instanceof DockerError && codes.includes(thrown.code))) throw thrown;
  }
}
