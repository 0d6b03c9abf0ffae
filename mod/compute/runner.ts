/**
 * One run of one execution, from its folder to its report: a serial actor. Before each step with an effect outside it
 * asks whether it is to go on, and what a step leads to is stored before the next (invariants.md section 4, C4-C11):
 *
 * ```
 * folders, inputs → ports and devices durable → engine.create → identity durable (`starting`) → start → wait
 *   → no publisher: output ──────────────────────────────────────────────► `completed` + report
 *   → publisher: `harvesting` → results folder, fsync → `publishing` → publish ┘
 * failure → started: `harvesting` with the verdict → stop → output, results ─► `failed` + report
 * cancel → `cancelling` → stop → output, results ───────────────────────────► `cancelled` + report
 * ```
 * The engine's object is removed after the row that no longer needs it. Whether a cancel or an end came first is decided
 * by the store: the later one finds the phase changed. A verdict is durable before the program is stopped for it, so
 * after a crash the stop is not taken for the program's own end.
 */
import type { Run, RunEnd } from '../engine/mod.ts';
import { EMPTY_RUN_OUTPUT, EventTopic } from '../model/mod.ts';
import type { Event, RunOutput, SpecConfig } from '../model/mod.ts';
import type { PhaseChange } from '../store/mod.ts';
import { removeFolder } from './access.ts';
import { hasStarted } from './beginning.ts';
import type { Beginning } from './beginning.ts';
import { wanted } from './bid.ts';
import { publishResults, salvage } from './ending.ts';
import type { Salvaged } from './ending.ts';
import { asFailure, atStep, nodeGoes, RunFailure, Stopped, timedOut } from './failure.ts';
import type { StopReason } from './failure.ts';
import type { Held } from './held.ts';
import { ENTERED_FROM } from './phase.ts';
import { RunWatch } from './run_watch.ts';
import { engineOf, prepareRun } from './preparation.ts';
import { computeError, runResult } from './reports.ts';
import { captureResults, readOutput, runPaths } from './results.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

interface Outcome {
  readonly output: RunOutput;
  readonly published: SpecConfig | null;
  /** Why what the program left could not be kept, though it was tried for long. */
  readonly lost?: RunFailure;
}

/** Between two tries to keep what an ended program left; doubles. */
const FIRST_RETRY_MS = 500;

export class Runner {
  /** Settles when nothing of the run is left to do and its log is complete. Never rejects. */
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();
  readonly #paths: RunPaths;
  readonly #publisher: SpecConfig | null;
  readonly #handles = new DisposableStack();
  #run: Run | null;
  #owns: boolean;
  #timer: Disposable | null = null;
  #abandoned = false;
  /** Whether the program was started, and whether it is known to have ended. */
  #started: boolean;
  #over = false;
  #exitCode: number | null = null;
  #waiting: Promise<RunEnd> | null = null;
  #watch: RunWatch | null = null;
  #output: RunOutput | null = null;
  #published: SpecConfig | null = null;
  #publishFailed = false;

  /**
   * @param free called when the program has ended and holds no more of the host than files; `ended` comes later
   * @param grown called with the memory of a program that holds more than it was granted
   */
  constructor(
    readonly shop: Workshop,
    readonly held: Held,
    readonly beginning: Beginning,
    readonly free: () => void,
    readonly grown: (memory: number) => void,
  ) {
    this.#publisher = wanted(held.task.Publisher);
    this.#paths = runPaths(shop.executionsFolder, held.id, held.runNo);
    this.#run = beginning.kind === 'fresh' ? null : beginning.run;
    this.#owns = beginning.kind === 'fresh' || beginning.run !== null;
    this.#started = hasStarted(beginning);
    if (beginning.kind !== 'fresh' && beginning.kind !== 'adopt') {
      this.#exitCode = beginning.exitCode;
      this.#over = beginning.run === null || beginning.kind === 'harvest' || beginning.kind === 'publish';
    }
    this.ended = this.#main();
  }

  /** Whether the engine may hold an object of this run that is its own to remove. */
  get owns(): boolean {
    return this.#owns;
  }

  /** The object that the engine holds for it, until it is told to remove it. */
  get object(): Run | null {
    return this.#owns ? this.#run : null;
  }

  /** Ends the run; the first reason counts. */
  stop(reason: StopReason, failure?: RunFailure): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(new Stopped(reason, failure));
  }

  /** The node goes away: nothing is stored or removed any more, the next start takes over. */
  abandon(): void {
    this.#abandoned = true;
    this.#timer?.[Symbol.dispose]();
    this.#watch?.[Symbol.dispose]();
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
      await this.#remove();
      this.free();
      await this.#tidy();
    } catch (thrown) {
      this.#timer?.[Symbol.dispose]();
      if (this.#abandoned) return;
      shop.log('error', 'cannot bring a run to its end', { execution: held.id, error: String(thrown) });
    } finally {
      this.#handles.dispose();
    }
  }

  async #toItsEnd(): Promise<void> {
    const { beginning } = this;
    try {
      if (beginning.kind === 'remove') throw new Stopped('cancelled');
      if (beginning.kind === 'salvage') throw new Stopped('limit');
      await this.#complete(await this.#attempt(beginning));
    } catch (thrown) {
      this.#leave();
      await this.#conclude(thrown);
    }
  }

  async #attempt(beginning: Exclude<Beginning, { kind: 'remove' | 'salvage' }>): Promise<Outcome> {
    switch (beginning.kind) {
      case 'fresh':
        return await this.#start(await this.#create(beginning.discard));
      case 'adopt': {
        const { run } = beginning;
        if (run.state === 'created') return await this.#start(run);
        // What ended by itself while the node was away has ended in its own way, however late it is noticed.
        if (run.state !== 'ended') this.#armTimeout(0);
        return await this.#wait(run);
      }
      case 'harvest':
        this.#armTimeout(this.shop.limits.salvageMs);
        return await this.#capture(beginning.exitCode);
      case 'publish':
        this.#armTimeout(this.shop.limits.salvageMs);
        return await this.#publishAgain(beginning.exitCode);
    }
  }

  /** Makes all that the program needs. */
  async #create(discard: boolean): Promise<Run> {
    const { shop, held } = this;
    const { signal } = this.#abort;
    const engine = engineOf(shop, held);
    const goOn = () => this.#goOn();
    const handles = this.#handles;
    const request = await prepareRun({ shop, held, paths: this.#paths, handles, signal, goOn }, discard);
    const run = await atStep(EventTopic.PreparingEnvironment, () => engine.create(request, signal));
    this.#run = run;
    return run;
  }

  /** The time that the program may take counts from here, whatever it had to wait for. */
  async #start(run: Run): Promise<Outcome> {
    const { held } = this;
    this.#goOn();
    held.deadline = 0n;
    this.#armTimeout(0);
    const change = { phase: 'starting', identity: run.identity, deadline: held.deadline } as const;
    if (!await this.#advance(change)) throw new Stopped('cancelled');
    this.#goOn();
    await run.start();
    this.#started = true;
    return await this.#wait(run);
  }

  async #wait(run: Run): Promise<Outcome> {
    const { shop, held } = this;
    shop.status.mark(held, 'running');
    const { signal } = this.#abort;
    const ended = this.#waiting = run.wait();
    const { promise: told, resolve } = Promise.withResolvers<null>();
    const onAbort = () => resolve(null);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    using watch = new RunWatch({
      shop,
      held,
      paths: this.#paths,
      run,
      exceeded: (failure) => this.stop('limit', failure),
      grown: this.grown,
    });
    this.#watch = watch;
    // Nobody waits for what goes on without its node.
    if (this.#abandoned) watch[Symbol.dispose]();
    const end = await Promise.race([ended, told]);
    signal.removeEventListener('abort', onAbort);
    this.#leave();
    if (end === null) throw signal.reason;
    this.#note(end);
    if (end.kind === 'exited') {
      // A quick program does not get away with more than it asked for.
      const exceeded = this.held.task.Resources?.Disk ? await watch.check(true) : null;
      if (exceeded) throw exceeded;
      return await this.#harvest(end.exitCode);
    }
    throw new RunFailure({
      topic: EventTopic.RunningExecution,
      class: end.class,
      component: 'Executor',
      code: end.code,
      message: end.message,
      hint: end.hint,
    });
  }

  /** The program has ended. Its object uses neither CPU nor memory nor devices nor ports: the next may start. */
  #note(end: RunEnd): void {
    this.#over = true;
    this.#exitCode = end.exitCode ?? null;
    this.free();
  }

  async #harvest(exitCode: number): Promise<Outcome> {
    if (!this.#publisher) return await this.#readOutput(exitCode);
    if (!await this.#advance({ phase: 'harvesting', exitCode })) throw new Stopped('cancelled');
    return await this.#capture(exitCode);
  }

  async #capture(exitCode: number): Promise<Outcome> {
    const { limits } = this.shop;
    const captured = await this.#keep(EventTopic.RunningExecution, exitCode, async () => ({
      output: await captureResults(this.shop, this.#paths, exitCode, limits.outputBytes),
      published: null,
    }));
    if (captured.lost) return captured;
    this.#output = captured.output;
    if (!await this.#advance({ phase: 'publishing' })) throw new Stopped('cancelled');
    return await this.#publish(captured.output);
  }

  async #publishAgain(exitCode: number): Promise<Outcome> {
    const read = await this.#readOutput(exitCode);
    return read.lost ? read : await this.#publish(read.output);
  }

  async #publish(output: RunOutput): Promise<Outcome> {
    const { shop, held } = this;
    const spec = this.#publisher;
    if (!spec) return { output, published: null };
    this.#goOn();
    shop.status.mark(held, 'publishing');
    try {
      const { signal } = this.#abort;
      return await this.#keep(EventTopic.PublishingResults, output.ExitCode, async () => {
        this.#published = await publishResults(shop, held, this.#paths, spec, signal);
        return { output, published: this.#published };
      });
    } catch (thrown) {
      // One that a cancel has interrupted is tried again for what is left.
      this.#publishFailed = !held.cancelled;
      throw thrown;
    }
  }

  /**
   * The program has ended, and does not run again because what it left cannot be kept: that is tried for a while; then the
   * execution ends with the program's exit code and says what is lost.
   * @throws Stopped when it is told to end meanwhile
   */
  async #keep(topic: EventTopic, exitCode: number, step: () => Promise<Outcome>): Promise<Outcome> {
    const { shop } = this;
    const until = shop.world.elapsed() + shop.limits.salvageMs;
    for (let waitMs = FIRST_RETRY_MS;; waitMs *= 2) {
      try {
        const outcome = await atStep(topic, step);
        this.#leave();
        return outcome;
      } catch (thrown) {
        this.#goOn();
        const lost = asFailure(thrown, topic);
        if (!lost.error.retryable || shop.world.elapsed() + waitMs > until) {
          const ErrorMsg =
            `The program ended with exit code ${exitCode}, but what it left could not be kept: ${lost.message}`;
          return {
            output: { ...this.#output ?? EMPTY_RUN_OUTPUT, ExitCode: exitCode, ErrorMsg },
            published: null,
            lost,
          };
        }
        shop.log('warn', 'cannot keep what a program left yet', {
          execution: this.held.id,
          error: lost.message,
        });
        await shop.world.sleep(waitMs, this.#abort.signal).catch(() => this.#goOn());
      }
    }
  }

  async #complete({ output, published, lost }: Outcome): Promise<void> {
    const { held, shop } = this;
    const now = shop.world.now();
    const message = runResult(held.execution, output, published, now, held.unreported, lost?.remark(now));
    const report = { kind: 'result', message } as const;
    const done = await this.#advance({ phase: 'completed', ended: now, exitCode: output.ExitCode, report });
    if (!done) throw new Stopped('cancelled');
    shop.ended(held.id, 'completed');
  }

  /** Any end that is no completion: says why, ends the program, keeps what it left, reports. */
  async #conclude(thrown: unknown): Promise<void> {
    const { held, shop } = this;
    const verdict = held.cancelled ? null : await this.#decide(thrown);
    await this.#halt();
    const { remains, events } = this.#started
      ? await salvage(shop, held, this.#paths, {
        exitCode: this.#exitCode,
        reason: verdict?.Message ?? 'The execution was stopped',
        output: this.#output,
        published: this.#published,
        publisher: this.#publishFailed ? null : this.#publisher,
      })
      : neverRan(this.#failure(thrown));
    const now = shop.world.now();
    if (verdict && !held.cancelled) {
      const message = computeError(held.execution, verdict, [...held.unreported, ...events], remains);
      const report = { kind: 'result', message } as const;
      const change = { phase: 'failed', ended: now, exitCode: this.#exitCode, report } as const;
      if (await this.#advance(change)) return shop.ended(held.id, 'failed');
    }
    const report = shop.stopReport(held, now, [...held.unreported, ...events], remains);
    const done = await this.#advance({ phase: 'cancelled', ended: now, ...report });
    if (done) shop.ended(held.id, 'cancelled');
  }

  /** The failure as its event; durable where the program has yet to be stopped, or its results to be published. */
  async #decide(thrown: unknown): Promise<Event> {
    const { beginning } = this;
    if (beginning.kind === 'salvage') return beginning.verdict;
    const verdict = this.#failure(thrown).event(this.shop.world.now());
    if (this.#started && !this.#output && (!this.#over || this.#publisher)) {
      // Null when a cancel was first, or when results were being captured already: then it is found again.
      await this.#advance({ phase: 'harvesting', exitCode: this.#exitCode, verdict });
    }
    return verdict;
  }

  /**
   * Tries until a started program has ended: nothing that is over may run on. One whose start failed is removed by force. Only an engine that does not answer for long is
   * not waited for, unless the execution was cancelled; the sweep removes what it still has when it is back.
   */
  async #halt(): Promise<void> {
    const { shop, held } = this;
    const run = this.#run;
    if (!run || !this.#started || this.#over) return;
    const since = shop.world.elapsed();
    for (let waitMs = 100; !this.#abandoned; waitMs = Math.min(waitMs * 2, 30_000)) {
      try {
        await run.stop(shop.timings.stopGraceMs);
        this.#note(await (this.#waiting ?? run.wait()));
        break;
      } catch (thrown) {
        this.#waiting = null;
        shop.log('warn', 'cannot stop a program yet', { execution: held.id, error: String(thrown) });
        if (!held.cancelled && shop.world.elapsed() - since > shop.limits.engineAwayMs) break;
        await shop.world.sleep(waitMs);
      }
    }
    this.#leave();
  }

  /** What cannot be removed now is found by the sweep; the program has ended, so its room is free all the same. */
  async #remove(): Promise<void> {
    const { shop, held } = this;
    try {
      await this.#run?.remove();
    } catch (thrown) {
      shop.log('warn', 'cannot remove a run yet', { execution: held.id, error: String(thrown) });
      shop.leftOver();
    }
    this.#leave();
    this.#owns = false;
  }

  #failure(thrown: unknown): RunFailure {
    const { signal } = this.#abort;
    if (!signal.aborted) return asFailure(thrown, EventTopic.RunningExecution);
    const { reason, failure } = signal.reason as Stopped;
    if (reason === 'timeout') return timedOut(this.held.timeoutSeconds);
    return failure ?? nodeGoes(this.held.id, thrown);
  }

  async #advance(change: PhaseChange): Promise<boolean> {
    this.#leave();
    const done = await this.shop.store.advance(this.held.id, ENTERED_FROM[change.phase], change);
    this.#leave();
    return done !== null;
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

  /** @param atLeast milliseconds that are left in any case */
  #armTimeout(atLeast: number): void {
    const { held, shop } = this;
    if (held.timeoutSeconds === 0) return;
    const now = shop.world.now();
    if (held.deadline === 0n) held.deadline = now + BigInt(held.timeoutSeconds) * 1_000_000_000n;
    const leftMs = Number((held.deadline - now) / 1_000_000n);
    this.#timer = shop.world.after(Math.max(atLeast, leftMs), () => this.stop('timeout'));
  }

  #readOutput(exitCode: number): Promise<Outcome> {
    return this.#keep(EventTopic.RunningExecution, exitCode, async () => {
      this.#output = await readOutput(this.#paths, exitCode, this.shop.limits.outputBytes);
      return { output: this.#output, published: null };
    });
  }

  /** Inputs and results have served; the log stays for its retention. */
  async #tidy(): Promise<void> {
    const { shop, held: { task } } = this;
    const { folder, inputs, results } = this.#paths;
    if (task.InputSources?.length) await removeFolder(shop, inputs, folder);
    if (this.#publisher || task.ResultPaths?.length) await removeFolder(shop, results, folder);
  }
}

/** Nothing is left but the exit code, where there is one for a program that could not be started. */
function neverRan({ exitCode, message }: RunFailure): Salvaged {
  if (exitCode === undefined) return { remains: {}, events: [] };
  return {
    remains: { RunCommandResult: { ...EMPTY_RUN_OUTPUT, ExitCode: exitCode, ErrorMsg: message } },
    events: [],
  };
}
