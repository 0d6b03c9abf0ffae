/** An engine whose runs outlive the node, as containers do; the test holds the host below it. */
import type { Engine, Run, RunEnd, RunRequest } from '../../mod/engine/engine.ts';
import { LogStream, LogWriter } from '../../runtime/log/mod.ts';
import { realWorld } from '../../runtime/world.ts';

export interface Container {
  readonly request: RunRequest;
  started: number;
  /** Resolved by the test, or by a stop with what `stopped` says. */
  readonly end: PromiseWithResolvers<RunEnd>;
  over: boolean;
  /** Milliseconds of grace of each stop. */
  readonly stops: number[];
}

export interface Lasting {
  readonly engine: Engine;
  /** By `execution/run`. */
  readonly world: Map<string, Container>;
  /** Why no call is answered; null = all are. */
  away: string | null;
  /** Removals fail so often. */
  stuck: number;
  /** Bytes of each writable layer. */
  layer: number;
}

export function lasting(output = '', stopped: RunEnd = { kind: 'exited', exitCode: 137 }): Lasting {
  const world = new Map<string, Container>();
  const called = () => {
    if (host.away !== null) throw new Error(host.away);
  };
  const nameOf = ({ executionId, runNo }: { executionId: string; runNo: number }) =>
    `${executionId}/${runNo}`;
  function runOf(id: string, container: Container): Run {
    const finish = (end: RunEnd) => {
      container.over = true;
      container.end.resolve(end);
    };
    return {
      identity: { engine: 'lasting', id },
      state: container.over ? 'ended' : container.started > 0 ? 'running' : 'created',
      async start() {
        called();
        container.started++;
        const { logPath, logLimit } = container.request;
        const log = new LogWriter(logPath, { bytes: logLimit, now: () => realWorld.now() });
        log.write(LogStream.stdout, new TextEncoder().encode(output));
        log.close();
      },
      wait: () => container.end.promise,
      async stop(graceMs) {
        called();
        container.stops.push(graceMs);
        finish(stopped);
      },
      async remove() {
        called();
        if (host.stuck-- > 0) throw new Error('its file system is in use');
        finish(stopped);
        world.delete(id);
      },
      usage: async () => host.layer,
    };
  }
  const engine: Engine = {
    type: 'lasting',
    available: async () => null,
    check: async () => null,
    async create(request) {
      called();
      const id = nameOf(request);
      const container = {
        request,
        started: 0,
        end: Promise.withResolvers<RunEnd>(),
        over: false,
        stops: [],
      };
      world.set(id, container);
      return runOf(id, container);
    },
    async find({ id }) {
      called();
      const container = world.get(id);
      return container ? runOf(id, container) : null;
    },
    async objects() {
      called();
      return [...world.values()].map(({ request: { executionId, runNo } }) => ({
        kind: 'container',
        id: `${executionId}/${runNo}`,
        executionId,
        runNo,
      }));
    },
    async discard({ id }) {
      called();
      world.delete(id);
    },
    close: async () => {},
  };
  const host: Lasting = { engine, world, away: null, stuck: 0, layer: 0 };
  return host;
}

/** Ends the program as if by itself. */
export function exit(container: Container | undefined, end: RunEnd): void {
  container!.over = true;
  container!.end.resolve(end);
}
