/**
 * One run of one execution, from its folder to its report: a serial actor. Before each step with an effect outside it
 * asks whether it is to go on, and what a step leads to is stored before the next (invariants.md section 4, C4-C11):
 *
 * ```
 * folders, inputs → engine.create → identity durable (`starting`) → start → wait
 *   → no publisher: output ──────────────────────────────────────────────► `completed` + report
 *   → publisher: `harvesting` → results folder, fsync → `publishing` → publish ┘
 * any failure → `failed` + report          cancel → stop, remove → `cancelled` + report
 * ```
 * The engine's object is removed after the row that no longer needs it. Whether a cancel or an end came first is decided
 * by the store: the later one finds the phase changed.
 */
import type { Engine, Run, RunRequest } from '../engine/engine.ts';
import { EventTopic } from '../model/mod.ts';
import type { RunOutput, SpecConfig, Task } from '../model/mod.ts';
import type { PhaseChange } from '../store/compute_rows.ts';
import { wanted } from './bid.ts';
import { checkEnvironment, resolveEnvironment } from './environment.ts';
import { asFailure, RunFailure, Stopped, timedOut } from './failure.ts';
import type { StopReason } from './failure.ts';
import type { Held } from './held.ts';
import { prepareInputs } from './inputs.ts';
import { ENTERED_FROM } from './phase.ts';
import { computeError, runResult } from './reports.ts';
import { captureResults, outputsOf, readOutput, runPaths } from './results.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

/** Where to begin: at the beginning, or with what a restart of the node found (C13). */
export type Beginning =
  | { readonly kind: 'fresh'; /** Whether an earlier try may have left files. */ readonly discard: boolean }
  | { readonly kind: 'adopt'; readonly run: Run }
  | { readonly kind: 'harvest' | 'publish'; readonly exitCode: number; readonly run: Run | null }
  | { readonly kind: 'remove'; readonly run: Run | null };

interface Outcome {
  readonly output: RunOutput;
  readonly published: SpecConfig | null;
}

export class Runner {
  /** Settles when nothing of the run is left to do and its log is complete. Never rejects. */
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();
  readonly #paths: RunPaths;
  readonly #task: Task;
  readonly #publisher: SpecConfig | null;
  #run: Run | null;
  #timer: Disposable | null = null;
  #abandoned = false;

  /** @param free called when the run holds no more of the host than its files; `ended` comes later */
  constructor(
    readonly shop: Workshop,
    readonly held: Held,
    readonly beginning: Beginning,
    readonly free: () => void,
  ) {
    this.#task = held.task;
    this.#publisher = wanted(this.#task.Publisher);
    this.#paths = runPaths(shop.executionsFolder, held.id, held.runNo);
    this.#run = beginning.kind === 'fresh' ? null : beginning.run;
    this.ended = this.#main();
  }

  /** Ends the run; the first reason counts. */
  stop(reason: StopReason): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(new Stopped(reason));
  }

  /** The node goes away: nothing is stored or removed any more, the next start takes over. */
  abandon(): void {
    this.#abandoned = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #main(): Promise<void> {
    const { shop, held } = this;
    // A step later: the caller first notes that there is this run.
    await Promise.resolve();
    try {
      await this.#toItsEnd();
      this.#timer?.[Symbol.dispose]();
      this.#leave();
      shop.status.drop(held.id);
      await this.#run?.remove();
      this.free();
      await this.#tidy();
    } catch (thrown) {
      this.#timer?.[Symbol.dispose]();
      if (this.#abandoned) return;
      shop.log('error', 'cannot bring a run to its end', { execution: held.id, error: String(thrown) });
    }
  }

  async #toItsEnd(): Promise<void> {
    try {
      if (this.beginning.kind === 'remove') throw new Stopped('cancelled');
      await this.#complete(await this.#attempt(this.beginning));
    } catch (thrown) {
      this.#leave();
      await this.#conclude(thrown);
    }
  }

  async #attempt(beginning: Exclude<Beginning, { kind: 'remove' }>): Promise<Outcome> {
    this.#armTimeout();
    switch (beginning.kind) {
      case 'fresh':
        this.#run = await this.#create(beginning.discard);
        this.#goOn();
        await this.#run.start();
        this.shop.status.mark(this.held.execution, 'running');
        return await this.#harvest(await this.#wait(this.#run));
      case 'adopt':
        if (beginning.run.state === 'created') {
          this.#goOn();
          await beginning.run.start();
        }
        this.shop.status.mark(this.held.execution, 'running');
        return await this.#harvest(await this.#wait(beginning.run));
      case 'harvest':
        return await this.#capture(beginning.exitCode);
      case 'publish':
        return await this.#publish(await this.#output(beginning.exitCode));
    }
  }

  /** Makes all that the program needs; the identity of its object is durable when this resolves. */
  async #create(discard: boolean): Promise<Run> {
    const { shop, held } = this;
    const { signal } = this.#abort;
    const engine = this.#engine();
    const env = this.#environment();
    if (discard) await shop.files.remove(this.#paths.folder);
    await shop.files.makeFolder(this.#paths.folder);
    const outputs = outputsOf(this.#task, this.#paths);
    await Promise.all(outputs.map((output) => shop.files.makeFolder(output.hostPath)));
    this.#goOn();
    const inputs = await this.#atStep(EventTopic.DownloadingInputs, () => {
      if (this.#task.InputSources?.length) shop.status.mark(held.execution, 'preparing');
      return prepareInputs(shop, held, this.#paths.inputs, signal);
    });
    this.#goOn();
    const request: RunRequest = { ...this.shop.runRequest(held), env, inputs, outputs };
    const run = await this.#atStep(EventTopic.PreparingEnvironment, () => engine.create(request, signal));
    this.#run = run;
    this.#goOn();
    const stored = await this.#advance({
      phase: 'starting',
      identity: run.identity,
      deadline: held.deadline,
    });
    if (!stored) throw new Stopped('cancelled');
    return run;
  }

  async #wait(run: Run): Promise<number> {
    const { signal } = this.#abort;
    const ended = run.wait();
    const { promise: told, resolve } = Promise.withResolvers<null>();
    const onAbort = () => resolve(null);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const end = await Promise.race([ended, told]);
    signal.removeEventListener('abort', onAbort);
    this.#leave();
    if (end === null) {
      await run.stop(this.shop.timings.stopGraceMs);
      await ended;
      throw signal.reason;
    }
    if (this.shop.providers.engines.get(run.identity.engine)?.endsWithNode) this.free();
    if (end.kind === 'exited') return end.exitCode;
    throw new RunFailure({
      topic: EventTopic.RunningExecution,
      class: end.class,
      component: 'Executor',
      code: end.code,
      message: end.message,
      hint: end.hint,
    });
  }

  async #harvest(exitCode: number): Promise<Outcome> {
    if (!this.#publisher) return { output: await this.#output(exitCode), published: null };
    if (!await this.#advance({ phase: 'harvesting', exitCode })) throw new Stopped('cancelled');
    return await this.#capture(exitCode);
  }

  async #capture(exitCode: number): Promise<Outcome> {
    const { files, limits } = this.shop;
    const output = await this.#atStep(EventTopic.RunningExecution, () => {
      return captureResults(files, this.#paths, exitCode, limits.outputBytes);
    });
    if (!await this.#advance({ phase: 'publishing' })) throw new Stopped('cancelled');
    return await this.#publish(output);
  }

  async #publish(output: RunOutput): Promise<Outcome> {
    const { shop, held } = this;
    const spec = this.#publisher;
    if (!spec) return { output, published: null };
    this.#goOn();
    shop.status.mark(held.execution, 'publishing');
    const published = await this.#atStep(EventTopic.PublishingResults, () => {
      const publisher = shop.providers.publishers.get(spec.Type);
      if (!publisher) throw notInstalled('publisher', spec.Type, EventTopic.PublishingResults);
      return publisher.publish({
        spec,
        nodeId: shop.nodeId,
        jobId: held.execution.JobID,
        executionId: held.id,
        directory: this.#paths.results,
        signal: this.#abort.signal,
      });
    });
    return { output, published };
  }

  async #complete({ output, published }: Outcome): Promise<void> {
    const { held, shop } = this;
    const now = shop.world.now();
    const message = runResult(held.execution, output, published, now, held.events);
    const report = { kind: 'result', message } as const;
    const done = await this.#advance({ phase: 'completed', ended: now, exitCode: output.ExitCode, report });
    if (!done) throw new Stopped('cancelled');
    shop.ended(held.id, 'completed');
  }

  async #conclude(thrown: unknown): Promise<void> {
    const { held, shop } = this;
    if (!held.cancelled) {
      const failure = this.#failure(thrown);
      const now = shop.world.now();
      const message = computeError(held.execution, failure.event(now), held.events);
      const report = { kind: 'result', message } as const;
      if (await this.#advance({ phase: 'failed', ended: now, report })) return shop.ended(held.id, 'failed');
    }
    await this.#removeForGood();
    const now = shop.world.now();
    const done = await this.#advance({ phase: 'cancelled', ended: now, ...shop.stopReport(held, now) });
    if (done) shop.ended(held.id, 'cancelled');
  }

  /** Tries until the engine's object is gone: a cancelled execution must leave nothing running. */
  async #removeForGood(): Promise<void> {
    const { shop } = this;
    for (let waitMs = 100; this.#run && !this.#abandoned; waitMs = Math.min(waitMs * 2, 30_000)) {
      try {
        await this.#run.stop(shop.timings.stopGraceMs);
        await this.#run.remove();
        this.#run = null;
      } catch (thrown) {
        shop.log('warn', 'cannot remove a cancelled run yet', {
          execution: this.held.id,
          error: String(thrown),
        });
        await shop.world.sleep(waitMs);
      }
    }
  }

  #failure(thrown: unknown): RunFailure {
    const { signal } = this.#abort;
    if (!signal.aborted) return asFailure(thrown, EventTopic.RunningExecution);
    if ((signal.reason as Stopped).reason === 'timeout') return timedOut(this.held.timeoutSeconds);
    return new RunFailure({
      topic: EventTopic.RunningExecution,
      class: 'infrastructure',
      code: 'NodeShutdown',
      message: `Cannot go on with execution "${this.held.id}": its node was told to stop its work`,
      hint: 'The work is placed on another node where the policy of the job allows it',
      cause: thrown,
    });
  }

  async #advance(change: PhaseChange): Promise<boolean> {
    this.#leave();
    const done = await this.shop.store.advance(this.held.id, ENTERED_FROM[change.phase], change);
    this.#leave();
    return done !== null;
  }

  async #atStep<T>(topic: EventTopic, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (thrown) {
      throw asFailure(thrown, topic);
    } finally {
      this.#leave();
    }
  }

  /** Before each effect: whether it is still wanted. */
  #goOn(): void {
    this.#leave();
    if (this.held.cancelled) throw new Stopped('cancelled');
    this.#abort.signal.throwIfAborted();
  }

  #leave(): void {
    if (this.#abandoned) throw new Stopped('shutdown');
  }

  #armTimeout(): void {
    const { held, shop } = this;
    if (held.timeoutSeconds === 0) return;
    const now = shop.world.now();
    if (held.deadline === 0n) held.deadline = now + BigInt(held.timeoutSeconds) * 1_000_000_000n;
    const leftMs = Number((held.deadline - now) / 1_000_000n);
    this.#timer = shop.world.after(Math.max(0, leftMs), () => this.stop('timeout'));
  }

  #engine(): Engine {
    const type = this.#task.Engine?.Type ?? '';
    const engine = this.shop.providers.engines.get(type);
    if (!engine) throw notInstalled('engine', type, EventTopic.PreparingEnvironment);
    return engine;
  }

  #environment(): Readonly<Record<string, string>> {
    const [refusal] = checkEnvironment(this.#task, this.shop.environment);
    if (!refusal) return resolveEnvironment(this.held.execution, this.#task, this.shop.environment);
    throw new RunFailure({
      topic: EventTopic.PreparingEnvironment,
      class: 'infrastructure',
      code: refusal.code,
      message: `Cannot make the environment of task "${this.#task.Name}": ${refusal.reason}`,
      hint: refusal.hint,
    });
  }

  #output(exitCode: number): Promise<RunOutput> {
    return this.#atStep(
      EventTopic.RunningExecution,
      () => readOutput(this.#paths, exitCode, this.shop.limits.outputBytes),
    );
  }

  /** Inputs and results have served; the log stays for its retention. */
  async #tidy(): Promise<void> {
    const { files } = this.shop;
    if (this.#task.InputSources?.length) await files.remove(this.#paths.inputs);
    if (this.#publisher || this.#task.ResultPaths?.length) await files.remove(this.#paths.results);
  }
}

function notInstalled(what: string, type: string, topic: EventTopic): RunFailure {
  return new RunFailure({
    topic,
    class: 'infrastructure',
    code: 'NotInstalled',
    message: `Cannot run the task: this node no longer has the ${what} "${type}"`,
  });
}
