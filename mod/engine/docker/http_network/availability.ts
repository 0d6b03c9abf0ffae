/** Whether this node can offer HTTP networks: what can be told at once, and the proof by setting one up. */
import process from 'node:process';
import type { Docker } from '../../../../runtime/docker/mod.ts';
import type { Logger } from '../../../../runtime/logger.ts';
import type { World } from '../../../../runtime/world.ts';
import type { Refusal } from '../../../model/mod.ts';
import { mayEnterNamespaces } from './capabilities.ts';
import { findNsenter } from './forwarder_process.ts';
import { HOLDER_ARCHITECTURES } from './holder_image.ts';

export interface Trial {
  /** Sets a network up under this execution id. @throws Error whose cause, if any, says more */
  begin(executionId: string): Promise<void>;
  /** Removes whatever of it is there. */
  end(executionId: string): Promise<void>;
}

export interface AvailabilityOptions {
  readonly world: World;
  readonly logger?: Logger;
}

/** How long a "no" holds before it is tried again. */
const REFUSAL_MS = 60_000;

export class Availability {
  #said = '';
  #running = new Set<string>();
  #proof: { readonly at: number; readonly result: Promise<Refusal | null> } | undefined;

  constructor(
    private readonly docker: Docker,
    private readonly trial: Trial,
    private readonly options: AvailabilityOptions,
  ) {}

  /** Execution ids of trials that go on. */
  get trials(): ReadonlySet<string> {
    return this.#running;
  }

  /** Null when it works, which is then never asked again; else why not, which the log says, too. */
  async find(): Promise<Refusal | null> {
    const { world } = this.options;
    const before = this.#proof;
    if (before) {
      const result = await before.result;
      if (result === null || world.elapsed() - before.at < REFUSAL_MS) return result;
    }
    if (this.#proof === before) this.#proof = { at: world.elapsed(), result: this.#prove() };
    const result = await this.#proof!.result;
    if (result) this.#say(result.reason);
    return result;
  }

  /** Says in the log, once, what can be told without a trial. */
  warn(): void {
    const why = obstacle(this.docker);
    if (why) this.#say(refusal(why, false).reason);
  }

  #say(reason: string): void {
    if (this.#said === reason) return;
    this.#said = reason;
    this.options.logger?.log('warn', 'Jobs with an HTTP network do not run here', { reason });
  }

  async #prove(): Promise<Refusal | null> {
    const why = obstacle(this.docker);
    if (why) return refusal(why, false);
    try {
      const { Arch } = await this.docker.version();
      if (!HOLDER_ARCHITECTURES.includes(Arch)) {
        return refusal(`there is no holder program for ${Arch}`, false);
      }
    } catch (error) {
      return refusal(`the engine does not answer (${(error as Error).message})`, true);
    }
    const { world, logger } = this.options;
    const executionId = `probe-${world.uuid()}`;
    this.#running.add(executionId);
    try {
      await this.trial.begin(executionId);
      return null;
    } catch (error) {
      // Also an engine that is too busy to answer in time.
      const { cause = error } = error as Error;
      return refusal(`its network namespaces cannot be entered: ${(cause as Error).message}`, true);
    } finally {
      await this.trial.end(executionId).catch((error: Error) =>
        logger?.log('warn', 'A trial of HTTP networks was not removed', { reason: error.message })
      );
      this.#running.delete(executionId);
    }
  }
}

function obstacle(docker: Docker): string | null {
  if (process.platform !== 'linux') return `network namespaces are Linux's, and this is ${process.platform}`;
  if (!docker.endpoint.isLocal) return 'the Docker engine is not on this machine';
  if (findNsenter() === null) return 'there is no program "nsenter" (util-linux)';
  if (!mayEnterNamespaces()) return 'its process does not run as root and may not enter network namespaces';
  return null;
}

function refusal(why: string, retryable: boolean): Refusal {
  return {
    code: 'HttpNetworkUnavailable',
    reason: `this node does not offer HTTP networks to containers: ${why}`,
    hint:
      'HTTP networks need Linux, a rootful Docker engine on the same machine, util-linux and a node that runs as root',
    retryable,
  };
}
