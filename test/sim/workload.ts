/** Users of the simulated cluster: they submit jobs, say it again until they get an answer, and stop some of them. */
import { BacalhauError } from '../../mod/model/mod.ts';
import type { PortMapping } from '../../mod/model/mod.ts';
import type { SimCluster } from './cluster.ts';
import type { Observer } from './observer.ts';
import type { Random } from './random.ts';

export interface Wanted {
  readonly name: string;
  readonly count: number;
  readonly exitCode: number;
  /** A user stops it some time. */
  readonly stopped: boolean;
  readonly spec: unknown;
  id: string;
}

/** Before a user asks again. */
const PATIENCE_MS = 3_000;

export class Users {
  readonly jobs: Wanted[] = [];
  #open = 0;
  readonly #exits = new Map<string, () => void>();

  constructor(readonly cluster: SimCluster, readonly observer: Observer, readonly random: Random) {
    cluster.hosts.onExit = (jobId) => this.#exits.get(jobId)?.();
  }

  /** Whether all that was begun has been answered. */
  get content(): boolean {
    return this.#open === 0;
  }

  /** One more job, now. */
  begin(): void {
    const { random } = this;
    const wanted = wantedJob(`job-${this.jobs.length + 1}`, random);
    this.jobs.push(wanted);
    const stopAfter = wanted.stopped ? random.between(0, random.pick([200, 30_000])) : null;
    this.#open++;
    void this.#submit(wanted, stopAfter).finally(() => this.#open--).catch((error) =>
      this.cluster.failure ??= error
    );
  }

  async #submit(wanted: Wanted, stopAfter: number | null): Promise<void> {
    wanted.id = await this.#persist(`submit ${wanted.name}`, async () => {
      try {
        const answer = await this.#orchestrator().jobs.submit({ job: wanted.spec, force: false });
        return answer.JobID;
      } catch (thrown) {
        if (!(thrown instanceof BacalhauError) || thrown.code !== 'NoChanges') throw thrown;
        return /ID: (\S+)/.exec(thrown.message)![1]!;
      }
    });
    this.observer.answered(wanted.id, wanted.name);
    if (stopAfter === null) return;
    // Often just when a result is on its way.
    if (this.random.chance(0.6)) await this.#nextExit(wanted.id);
    else await this.#sleep(stopAfter);
    await this.#persist(`stop ${wanted.name}`, async () => {
      try {
        const { jobs } = this.#orchestrator();
        const stop = () => jobs.stopJob(wanted.id, { namespace: 'default', reason: 'the user' });
        await (this.cluster.plant.stop?.(stop) ?? stop());
      } catch (thrown) {
        if (!(thrown instanceof BacalhauError) || thrown.code !== 'ConflictJobState') throw thrown;
      }
      this.observer.stops.answered(wanted.id);
      return '';
    });
  }

  #orchestrator() {
    const { orchestrator } = this.cluster;
    if (!orchestrator) throw new Unreachable();
    return orchestrator;
  }

  /** Asks until there is an answer; an orchestrator that dies gives none. */
  async #persist(what: string, ask: () => Promise<string>): Promise<string> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<null>();
      const giveUp = this.cluster.clock.at(PATIENCE_MS, () => resolve(null));
      try {
        const answer = await Promise.race([ask(), promise]);
        giveUp();
        this.cluster.trace(`user: ${what} → ${answer ?? 'no answer'}`);
        if (answer !== null) return answer;
      } catch (thrown) {
        if (!(thrown instanceof Unreachable)) throw thrown;
        await promise;
      }
    }
  }

  /** A program of the job ends, or the time is over. */
  #nextExit(jobId: string): Promise<void> {
    return new Promise((done) => {
      this.#exits.set(jobId, done);
      this.cluster.clock.at(30_000, done);
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((done) => void this.cluster.clock.at(ms, done));
  }
}

class Unreachable extends Error {}

/** One of any number, and at times one that others want, too. */
function portsOf(random: Random): readonly PortMapping[] {
  return [{ Name: 'any' }, ...(random.chance(0.2) ? [{ Name: 'named', Static: 8080 }] : [])];
}

function wantedJob(name: string, random: Random): Wanted {
  const exitCode = random.chance(0.2) ? 3 : 0;
  const count = 1 + random.below(4);
  const stopped = random.chance(0.35);
  const Params = {
    Ms: random.chance(0.5) ? random.between(1, 500) : random.between(500, 40_000),
    ExitCode: exitCode,
    ...(random.chance(0.3) ? { Fault: 0.3 } : {}),
  };
  const spec = {
    Name: name,
    Type: 'batch',
    Count: count,
    Priority: random.below(3) * 10,
    Tasks: [{
      Name: 'main',
      Engine: { Type: random.chance(0.5) ? 'noop' : 'lasting', Params },
      Resources: {
        CPU: String(random.pick([0.2, 0.5, 1])),
        Memory: '1Mb',
        GPU: random.chance(0.2) ? '1' : '',
      },
      ...(random.chance(0.3) ? { Network: { Type: 'Host', Ports: portsOf(random) } } : {}),
      ...(random.chance(0.2) ? { Timeouts: { ExecutionTimeout: 15 } } : {}),
      ...(random.chance(0.4) ? { Publisher: { Type: 'local' } } : {}),
    }],
  };
  return { name, count, exitCode, stopped, spec, id: '' };
}
