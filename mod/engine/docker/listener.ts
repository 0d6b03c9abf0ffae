/**
 * Listens to a container: its output, pumped into the log, and the wait for its end. Both are asked for before the program
 * starts, so neither the first byte nor the end is missed; after a break the output goes on from the engine's own log.
 */
import { DockerError, type Wait } from '../../../runtime/docker/mod.ts';
import { countLog } from '../../../runtime/log/mod.ts';
import type { RunRequest } from '../engine.ts';
import { Capture, pumpLive } from './capture.ts';
import { resumeLog } from './engine_log.ts';
import { giveBack } from './full_disk.ts';
import type { RunHost } from './run_host.ts';

/** How the reading of the output ended. */
export type Pumped =
  | { readonly kind: 'complete' }
  /** The connection broke: the engine's log has the rest. */
  | { readonly kind: 'broken' }
  /** The log could not be written. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** A program that is listened to. */
export interface Watch {
  readonly wait: Wait;
  readonly capture: Capture;
  readonly pumped: Promise<Pumped>;
  /** Ends both connections. */
  readonly abort: AbortController;
  /**
   * The output comes from the engine's log, whose last records may be missing when the program ends while it is followed
   * (seen with `local` of 20.10): it is read once more then.
   */
  readonly followed: boolean;
}

const DRAIN_MS = 5_000;

export class Listener {
  readonly #host: RunHost;
  readonly #request: RunRequest;
  readonly #id: string;
  readonly #gone: AbortSignal;

  /** @param gone fires when nobody listens any more */
  constructor(host: RunHost, request: RunRequest, id: string, gone: AbortSignal) {
    this.#host = host;
    this.#request = request;
    this.#id = id;
    this.#gone = gone;
  }

  /** Of a container that has not been started: all of its output, and its end. */
  async fromStart(): Promise<Watch> {
    const { containers } = this.#host.docker;
    const abort = this.#linked();
    const wait = containers.wait(this.#id, 'next-exit', abort.signal);
    const [output] = await Promise.all([
      containers.attach(this.#id, { stdout: true, stderr: true, stream: true }, abort.signal),
      wait.registered,
    ]);
    const capture = new Capture(this.#host.world, this.#request);
    const pumped = this.#pump(() => pumpLive(output, capture));
    return { wait, capture, abort, pumped, followed: false };
  }

  /**
   * After a break: the engine's log from where ours ends.
   * @param running whether the program still writes
   */
  async again(running: boolean): Promise<Watch> {
    const { containers } = this.#host.docker;
    const abort = this.#linked();
    const held = await countLog(this.#request.logPath);
    const wait = containers.wait(this.#id, 'not-running', abort.signal);
    const capture = new Capture(this.#host.world, this.#request, held);
    const { logDriver } = await this.#host.facts();
    const log = {
      losesNewlines: logDriver === 'local',
      open: (since?: string) =>
        containers.logs(
          this.#id,
          { stdout: true, stderr: true, follow: running, timestamps: true, since },
          abort.signal,
        ),
    };
    const pumped = this.#pump(() => resumeLog(log, capture, held));
    return { wait, capture, abort, pumped, followed: running };
  }

  /** Never rejects. A program whose output cannot be kept is ended. */
  async #pump(pump: () => Promise<void>): Promise<Pumped> {
    try {
      await pump();
      return { kind: 'complete' };
    } catch (error) {
      if (error instanceof DockerError) return { kind: 'broken' };
      this.#host.log('error', 'cannot write the log of a run', { container: this.#id, error: String(error) });
      await this.#host.docker.containers.kill(this.#id, 'SIGKILL').catch(() => {});
      await giveBack(this.#request.logPath, error).catch(() => {});
      return { kind: 'failed', error };
    }
  }

  /** The program has ended, so its streams end, too; a silent one that stays open is not waited for. */
  async drained({ pumped, capture, abort }: Watch): Promise<Pumped> {
    const { world, settings } = this.#host;
    const patience = settings.drainMs ?? DRAIN_MS;
    const from = world.elapsed();
    let done = false;
    pumped.then(() => done = true);
    for (;;) {
      const timer = new AbortController();
      const left = Math.max(capture.lastByteAt, from) + patience - world.elapsed();
      if (left <= 0) abort.abort();
      await Promise.race([pumped, world.sleep(Math.max(1, left), timer.signal).catch(() => {})]);
      timer.abort();
      if (done) return await pumped;
    }
  }

  #linked(): AbortController {
    const abort = new AbortController();
    if (this.#gone.aborted) abort.abort();
    else this.#gone.addEventListener('abort', () => abort.abort(), { once: true, signal: abort.signal });
    return abort;
  }
}
