/** Whether the engine answers, and what it can do; asked again after a while, and after it was away. */
import type { Refusal } from '../../model/mod.ts';
import { type Docker, DockerError, endpointText } from '../../../runtime/docker/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { type EngineFacts, factsOf } from './facts.ts';

/** How long an answer holds. */
const FRESH_MS = 2_000;

export class Health {
  readonly #docker: Docker;
  readonly #world: World;
  #answer: { readonly at: number; readonly refusal: Promise<Refusal | null> } | null = null;
  #facts: Promise<EngineFacts> | null = null;

  constructor(docker: Docker, world: World) {
    this.#docker = docker;
    this.#world = world;
  }

  available(): Promise<Refusal | null> {
    const now = this.#world.elapsed();
    if (!this.#answer || now - this.#answer.at > FRESH_MS) this.#answer = { at: now, refusal: this.#ask() };
    return this.#answer.refusal;
  }

  /** @throws DockerError when the engine does not answer */
  facts(): Promise<EngineFacts> {
    if (!this.#facts) {
      this.#facts = this.#docker.info().then(factsOf);
      this.#facts.catch(() => this.#facts = null);
    }
    return this.#facts;
  }

  async #ask(): Promise<Refusal | null> {
    try {
      await this.#docker.ping();
      const { osType } = await this.facts();
      if (osType === 'linux' || osType === '') return null;
      return refusal(
        'EngineUnsuitable',
        `its Docker engine runs containers of ${osType}`,
        'Switch Docker to Linux containers',
      );
    } catch (thrown) {
      // It may come back as another one.
      this.#facts = null;
      return this.#reason(thrown);
    }
  }

  #reason(thrown: unknown): Refusal {
    const where = endpointText(this.#docker.endpoint);
    const why = (thrown as Error).message;
    if (thrown instanceof DockerError && thrown.code === 'Forbidden') {
      return refusal(
        'EngineForbidden',
        `its user may not use Docker at "${where}"`,
        'Add the user of the node to the group docker (usermod -aG docker <user>) and log in again',
      );
    }
    const absent = /ENOENT|no such file/i.test(why);
    return refusal(
      'EngineUnavailable',
      absent ? `it has no Docker engine at "${where}"` : `its Docker engine does not answer: ${why}`,
      absent
        ? 'Install and start Docker, or name the engine by DOCKER_HOST'
        : 'Look at the engine: systemctl status docker',
    );
  }
}

function refusal(code: string, why: string, hint: string): Refusal {
  return Object.freeze({ code, reason: `this node cannot run containers: ${why}`, hint, retryable: true });
}
