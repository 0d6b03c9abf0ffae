/**
 * Pulls, each shared by all who want the same image: every waiter keeps its own abort, and a pull that nobody waits for
 * any more ends at once. A registry that is away or wants fewer requests is asked again with growing, random pauses.
 */
import { type AuthConfig, type Docker, DockerError } from '../../../../runtime/docker/mod.ts';
import type { World } from '../../../../runtime/world.ts';
import type { StringMap } from '../../../model/mod.ts';
import { temporary } from './image_error.ts';
import { mebibytes, PullMeter } from './pull_meter.ts';

export type Progress = (message: string, details?: StringMap) => void;

export interface PullRequest {
  /** `name@digest`, or `name:tag` where no digest is known. */
  readonly ref: string;
  /** As the job has the image; for people. */
  readonly image: string;
  /** `linux/amd64` */
  readonly platform: string;
}

export interface RetryOptions {
  /** Pause before the second try, doubled for each further one; a random half of it is left out. Default 1 s. */
  readonly firstMs?: number;
  /** Default 1 min. */
  readonly maxMs?: number;
  /** No further try once this has passed since the first. Default 5 min. */
  readonly giveUpMs?: number;
}

export interface PullsOptions {
  readonly world: World;
  readonly auth: (ref: string) => Promise<AuthConfig | null>;
  readonly retry?: RetryOptions;
  /** Least time between two lines of progress. Default 1 s. */
  readonly progressMs?: number;
}

interface SharedPull {
  readonly stop: AbortController;
  readonly waiters: Set<Progress>;
  readonly ended: Promise<void>;
  /** What a waiter who comes late is told. */
  last: { readonly text: string; readonly details: StringMap };
}

export class Pulls {
  readonly #underWay = new Map<string, SharedPull>();
  readonly #docker: Docker;
  readonly #options: PullsOptions;

  constructor(docker: Docker, options: PullsOptions) {
    this.#docker = docker;
    this.#options = options;
  }

  has(ref: string): boolean {
    return [...this.#underWay.keys()].some((key) => key.startsWith(`${ref} `));
  }

  /**
   * Resolves when the image is here; rejects with the signal's reason as soon as it fires.
   * @param before done once for each real pull, before the engine is asked
   */
  async pull(
    request: PullRequest,
    before: () => Promise<void>,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const key = `${request.ref} ${request.platform}`;
    const shared = this.#underWay.get(key) ?? this.#begin(key, request, before);
    // A function of its own, since two waiters may pass the same one.
    const waiter: Progress = (text, details) => progress(text, details);
    shared.waiters.add(waiter);
    waiter(shared.last.text, shared.last.details);
    try {
      await abortable(shared.ended, signal);
    } finally {
      shared.waiters.delete(waiter);
      if (shared.waiters.size === 0) {
        if (this.#underWay.get(key) === shared) this.#underWay.delete(key);
        shared.stop.abort(new DockerError('Cancelled', `nobody waits for image "${request.image}" any more`));
      }
    }
  }

  /** Ends all; their waiters are told `Cancelled`. */
  close(): void {
    for (const { stop } of this.#underWay.values()) {
      stop.abort(new DockerError('Cancelled', 'this node stops'));
    }
    this.#underWay.clear();
  }

  #begin(key: string, request: PullRequest, before: () => Promise<void>): SharedPull {
    const stop = new AbortController();
    const waiters = new Set<Progress>();
    const details = { Image: request.image };
    const first = { text: `Pulling image "${request.image}" for ${request.platform}`, details };
    const shared: SharedPull = {
      stop,
      waiters,
      last: first,
      // In the next turn, so that the first waiter is there to be told.
      ended: Promise.resolve().then(before).then(() => this.#run(request, shared)),
    };
    this.#underWay.set(key, shared);
    const forget = () => {
      if (this.#underWay.get(key) === shared) this.#underWay.delete(key);
    };
    shared.ended.then(forget, forget);
    return shared;
  }

  async #run(request: PullRequest, shared: SharedPull): Promise<void> {
    const { world, retry: { firstMs = 1_000, maxMs = 60_000, giveUpMs = 300_000 } = {} } = this.#options;
    const { signal } = shared.stop;
    const began = world.elapsed();
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#once(request, shared, began);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!temporary(error)) throw error;
        const most = Math.min(maxMs, firstMs * 2 ** (attempt - 1));
        const pause = most * (1 + world.random()) / 2;
        if (world.elapsed() + pause - began > giveUpMs) throw error;
        const { code, message } = error as DockerError;
        const why = code === 'RateLimited'
          ? 'its registry limits requests'
          : `its registry is away (${message})`;
        const seconds = (pause / 1000).toFixed(1);
        tell(shared, `Cannot pull image "${request.image}" now: ${why}; next try in ${seconds} s`, {
          Image: request.image,
          Attempt: String(attempt),
          Cause: code,
        });
        await world.sleep(pause, signal);
      }
    }
  }

  async #once(request: PullRequest, shared: SharedPull, began: number): Promise<void> {
    const { world, auth, progressMs = 1_000 } = this.#options;
    const { ref, image, platform } = request;
    const meter = new PullMeter();
    const details = () => ({ Image: image, ...meter.details() });
    let told = world.elapsed();
    const { digest } = await this.#docker.images.pull(ref, { platform, auth: await auth(ref) }, (event) => {
      meter.take(event);
      if (world.elapsed() - told < progressMs) return;
      told = world.elapsed();
      tell(shared, `Pulling image "${image}": ${meter.text()}`, details());
    }, shared.stop.signal);
    const seconds = ((world.elapsed() - began) / 1000).toFixed(1);
    tell(shared, `Pulled image "${image}" in ${seconds} s: ${mebibytes(meter.bytes)} MiB`, {
      ...details(),
      ...(digest !== undefined && { Digest: digest }),
    });
  }
}

function tell(shared: SharedPull, text: string, details: StringMap): void {
  shared.last = { text, details };
  for (const waiter of shared.waiters) waiter(text, details);
}

/** The promise, or the signal's reason as soon as it fires. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
