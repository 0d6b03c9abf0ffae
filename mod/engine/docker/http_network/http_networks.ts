/**
 * HTTP networks of containers: a holder container whose namespace the job's container joins, a forwarder on its loopback,
 * and the filtering proxy in this node (runtime/egress). All three are up before the job's container exists.
 */
import type { Docker } from '../../../../runtime/docker/mod.ts';
import {
  CLOSED,
  EgressPolicy,
  EgressProxy,
  openDecisionLog,
  parseDomains,
  type ProxyLimits,
  type Resolve,
  withRemarks,
} from '../../../../runtime/egress/mod.ts';
import { removeNow } from '../../../../runtime/files/mod.ts';
import type { Logger } from '../../../../runtime/logger.ts';
import { timeoutSignal, type World } from '../../../../runtime/world.ts';
import { BacalhauError, type Refusal, type StringMap } from '../../../model/mod.ts';
import type { HttpRun } from '../options.ts';
import { LABEL_INSTALL, LABEL_OUR_EXECUTION, LABEL_RUN } from '../names.ts';
import { Availability } from './availability.ts';
import { findNsenter, ForwarderProcess } from './forwarder_process.ts';
import { findHolders, type Holder, inspectHolder, removeHolder, startHolder } from './holder.ts';
import { openSocketFolder, socketPath } from './socket_folder.ts';

/** How the networks of one engine are kept and limited. */
export interface HttpNetworkOptions {
  readonly world: World;
  /** For the proxies' sockets; made when it does not exist. */
  readonly directory: string;
  readonly installId: string;
  readonly limits?: Partial<ProxyLimits>;
  /** False: a job that lists the address of a cloud's metadata service reaches it. Default true. */
  readonly blockMetadata?: boolean;
  /** Bytes of one execution's decision log. */
  readonly decisionLogLimit?: number;
  /** Default: the resolver of this machine. */
  readonly resolve?: Resolve;
  readonly logger?: Logger;
}

/** What the container of a run needs to know of its network. */
export interface HttpNetwork {
  /** For the job's container, which must then set no network, host name, extra hosts or ports of its own. */
  readonly networkMode: string;
  /** The proxy variables. */
  readonly env: StringMap;
}

/** Squid's port, inside the run's own namespace. */
const PORT = 3128;
const LOCAL = 'localhost,127.0.0.1,::1';
const PROXY = `http://127.0.0.1:${PORT}`;
const ENV: StringMap = Object.freeze({
  http_proxy: PROXY,
  https_proxy: PROXY,
  HTTP_PROXY: PROXY,
  HTTPS_PROXY: PROXY,
  no_proxy: LOCAL,
  NO_PROXY: LOCAL,
});

const LIMIT_HINT =
  'Open fewer at a time, or raise Engines.Types.Docker.HTTPNetwork.MaxConnections of the node.';

const START_MS = 20_000;
const FIRST_RESTART_MS = 50;
const LAST_RESTART_MS = 5_000;

interface Live {
  readonly holder: Holder;
  readonly socket: string;
  readonly proxy: EgressProxy;
  forwarder: ForwarderProcess;
  closing: boolean;
  restart?: Disposable;
}

/** Makes, finds again and removes the HTTP network of each run: a namespace without interfaces, and our proxy. */
export class HttpNetworks {
  #live = new Map<string, Live>();
  #folder: string | undefined;
  #availability: Availability;

  constructor(private readonly docker: Docker, private readonly options: HttpNetworkOptions) {
    const trial = {
      begin: async (executionId: string) => {
        await this.open(trialRun(executionId), timeoutSignal(START_MS));
      },
      end: (executionId: string) => this.close(executionId, trialRun(executionId).runNo),
    };
    this.#availability = new Availability(docker, trial, options);
  }

  /** Null when a namespace can be entered here, proved by doing it once; otherwise why not, which the log says, too. */
  available(): Promise<Refusal | null> {
    return this.#availability.find();
  }

  /** Says in the log, once, what can be told without a trial. */
  warn(): void {
    this.#availability.warn();
  }

  /** Execution ids under which namespaces are being tried right now: their objects are nobody else's to remove. */
  get trials(): ReadonlySet<string> {
    return this.#availability.trials;
  }

  /** Whether this list of domains can be obeyed. */
  check(domains: readonly string[]): Refusal | null {
    const { rules, problems } = parseDomains(domains);
    const why = problems.map(({ entry, why }) => `"${entry}": ${why}`).join('; ') ||
      (rules.rules.length === 0 ? 'an HTTP network needs at least one domain' : '');
    if (why === '') return null;
    return {
      code: 'DomainsInvalid',
      reason: `this node cannot read the task's Network.Domains: ${why}`,
      hint:
        'Write names (example.com), names with all below them (.example.com), patterns (*.example.com) or addresses',
      retryable: false,
    };
  }

  /**
   * Resolves when holder, proxy and forwarder are up and listening. Nothing is left when it fails.
   * @throws BacalhauError `NetworkFailure` of class infrastructure
   */
  async open(run: HttpRun, signal: AbortSignal): Promise<HttpNetwork> {
    const id = await this.#attempt(run, async () => {
      return await startHolder(
        this.docker,
        run.name,
        { ...run.labels, ...runLabels(this.options.installId, run) },
        signal,
      );
    });
    await this.#attempt(run, async () => {
      try {
        await this.#serve(run, id, signal);
      } catch (error) {
        await removeHolder(this.docker, id);
        throw error;
      }
    });
    return { networkMode: `container:${id}`, env: ENV };
  }

  /**
   * After a restart of the node: proxy and forwarder again for a namespace that lives on.
   * @throws BacalhauError `NetworkFailure` when it does not
   */
  async adopt(run: HttpRun): Promise<void> {
    if (this.#live.has(keyOf(run.executionId, run.runNo))) return;
    await this.#attempt(run, async () => {
      const holder = (await this.#holders(run.executionId, run.runNo)).find(({ running }) => running);
      if (!holder) throw new Error('its holder container is gone');
      await this.#serve(run, holder.id, timeoutSignal(START_MS));
    });
  }

  /** The program has ended: its log of decisions is complete when this resolves. Idempotent. */
  async settle(executionId: string, runNo: number): Promise<void> {
    const live = this.#live.get(keyOf(executionId, runNo));
    if (!live) return;
    live.closing = true;
    await live.proxy.close().catch((error: Error) => this.#cannotRecord(executionId, error));
  }

  #cannotRecord(execution: string, error: Error): void {
    this.options.logger?.log('error', 'A decision about the network of an execution cannot be recorded', {
      execution,
      reason: error.message,
    });
  }

  /** Removes forwarder, proxy, socket and holder, also those of an earlier node. Idempotent. */
  async close(executionId: string, runNo: number): Promise<void> {
    const key = keyOf(executionId, runNo);
    const live = this.#live.get(key);
    this.#live.delete(key);
    if (live) await end(live);
    const found = live ? [live.holder] : await this.#holders(executionId, runNo);
    await Promise.all(found.map(({ id }) => removeHolder(this.docker, id)));
  }

  /** Ends proxies and forwarders; holders stay for the node that adopts them. Idempotent. */
  async shutdown(): Promise<void> {
    const all = [...this.#live.values()];
    this.#live.clear();
    await Promise.all(all.map(end));
  }

  #holders(executionId: string, runNo: number) {
    return findHolders(this.docker, `${LABEL_INSTALL}=${this.options.installId}`, executionId, runNo);
  }

  async #serve(run: HttpRun, id: string, signal: AbortSignal): Promise<void> {
    const holder = await inspectHolder(this.docker, id);
    this.#folder ??= openSocketFolder(this.options.directory);
    const socket = socketPath(this.#folder, run.executionId, run.runNo);
    removeNow(socket);
    const { limits, decisionLogLimit, resolve, blockMetadata = true } = this.options;
    const log = openDecisionLog(run.decisionLog, decisionLogLimit);
    const { remark } = run;
    const never = blockMetadata ? CLOSED : CLOSED.filter((kind) => kind !== 'metadata');
    const proxy = await EgressProxy.listen({ path: socket }, {
      policy: new EgressPolicy(parseDomains(run.domains).rules, { never, ...(resolve && { resolve }) }),
      log: remark
        ? withRemarks(log, (message, hint) => remark(message, hint === undefined ? {} : { Hint: hint }))
        : log,
      headers: { 'X-Bacalhau-Job-ID': run.jobId },
      limitHint: LIMIT_HINT,
      onLogError: (error) => this.#cannotRecord(run.executionId, error),
      ...(limits ? { limits } : {}),
    });
    try {
      const forwarder = await this.#startForwarder(holder, socket, signal);
      const live: Live = { holder, socket, proxy, forwarder, closing: false };
      this.#live.set(keyOf(run.executionId, run.runNo), live);
      this.#watch(run.executionId, live, FIRST_RESTART_MS);
    } catch (error) {
      await proxy.close();
      removeNow(socket);
      throw error;
    }
  }

  async #startForwarder(holder: Holder, socket: string, signal: AbortSignal): Promise<ForwarderProcess> {
    const nsenter = findNsenter();
    if (nsenter === null) throw new Error('there is no program "nsenter" (util-linux)');
    const { pid, namespace } = holder;
    const soon = AbortSignal.any([signal, timeoutSignal(START_MS)]);
    return await ForwarderProcess.start({ nsenter, pid, namespace, socket, port: PORT }, soon);
  }

  /** A forwarder that ends by itself is started again, at first soon, then less often, while the holder lives. */
  #watch(executionId: string, live: Live, waitMs: number): void {
    const { world, logger } = this.options;
    const began = world.elapsed();
    const again = (words: string, waitMs: number) => {
      if (live.closing) return;
      logger?.log('warn', 'The forwarder of an HTTP network ended and is started again', {
        execution: executionId,
        reason: words,
      });
      live.restart = world.after(waitMs, async () => {
        const next = Math.min(waitMs * 2, LAST_RESTART_MS);
        try {
          const forwarder = await this.#startForwarder(
            live.holder,
            live.socket,
            new AbortController().signal,
          );
          if (live.closing) return await forwarder.close();
          live.forwarder = forwarder;
          this.#watch(executionId, live, next);
        } catch (error) {
          again((error as Error).message, next);
        }
      });
    };
    live.forwarder.gone.then((words) => {
      again(words, world.elapsed() - began > LAST_RESTART_MS ? FIRST_RESTART_MS : waitMs);
    });
  }

  async #attempt<T>(run: HttpRun, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (cause) {
      throw new BacalhauError(
        'NetworkFailure',
        `Cannot set up the HTTP network of execution "${run.executionId}": ${(cause as Error).message}`,
        {
          component: 'DockerEngine',
          hint:
            'The node enters the network of a container of its engine; see whether it still offers HTTP networks',
          retryable: true,
          details: { class: 'infrastructure' },
          cause,
        },
      );
    }
  }
}

function trialRun(executionId: string): HttpRun {
  return {
    executionId,
    jobId: 'probe',
    runNo: 0,
    name: `bacalhau-${executionId}`,
    labels: {},
    domains: ['example.com'],
    decisionLog: '/dev/null',
  };
}

function keyOf(executionId: string, runNo: number): string {
  return `${executionId} ${runNo}`;
}

function runLabels(installId: string, { executionId, runNo }: HttpRun): StringMap {
  return { [LABEL_INSTALL]: installId, [LABEL_OUR_EXECUTION]: executionId, [LABEL_RUN]: String(runNo) };
}

async function end(live: Live): Promise<void> {
  live.closing = true;
  live.restart?.[Symbol.dispose]();
  await Promise.all([live.forwarder.close(), live.proxy.close()]);
  removeNow(live.socket);
}
