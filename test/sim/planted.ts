/**
 * Faults as the product might have them, planted from outside: each is there to see that a check of the simulation shows
 * it (`planted.long.test.ts`). None needs a line in the product.
 */
import { DatabaseSync } from 'node:sqlite';
import type { Engine } from '../../mod/engine/engine.ts';
import type { Resources } from '../../mod/model/mod.ts';
import type { OrchestratorStore, StoreTx } from '../../mod/store/mod.ts';
import type { World } from '../../runtime/world.ts';
import { CAPACITY } from './capacity.ts';
import { ORCHESTRATOR } from './network.ts';

export interface Plant {
  /** Told of the database of a process when it is there. */
  opened?(name: string, path: string): void;
  store?(store: OrchestratorStore, world: World): OrchestratorStore;
  engine?(engine: Engine): Engine;
  /** In the place of a user's request to stop a job. */
  stop?(ask: () => Promise<unknown>): Promise<unknown>;
  /** What nodes believe to have. */
  readonly capacity?: Resources;
  readonly windowMs?: number;
}

/** What it is, the invariant that it breaks, and how. */
export const PLANTED: readonly (readonly [string, string, Plant])[] = [
  ['a stop is answered and not made', 'S6', { stop: () => Promise.resolve() }],
  ['a cancelled run is begun before its object is removed', 'S6', { engine: startsWhatItRemoves }],
  ['the epoch of a session is not compared', 'S9', {
    store: (store, world) => late(wrapped(store, anyEpoch), world),
  }],
  ['nodes run more than they have', 'S10', { capacity: { ...CAPACITY, CPU: 8, Memory: 8 * 1024 ** 3 } }],
  ['usage is not given back', 'S11', {
    opened: trigger(
      ORCHESTRATOR,
      'update on node_usage when new.executions < old.executions',
      'select raise(ignore)',
    ),
  }],
  ['the window of a silent node is too short', 'S15', { windowMs: 1_000 }],
  ['a node forgets what it has removed', 'S16', {
    opened: (name, path) => {
      if (name === ORCHESTRATOR) return;
      for (const change of ['insert on tombstones', 'insert on prunes', 'update on prunes']) {
        trigger(name, change, 'select raise(ignore)')(name, path);
      }
    },
  }],
  ['who waits is not looked at', 'L7', { store: (store) => wrapped(store, nobodyWaits) }],
];

/** A trigger in the database of one process, once. */
function trigger(where: string, change: string, effect: string): (name: string, path: string) => void {
  return (name, path) => {
    if (name !== where) return;
    const db = new DatabaseSync(path);
    db.exec(`create trigger if not exists "planted ${change}" before ${change} begin ${effect}; end`);
    db.close();
  };
}

function wrapped(store: OrchestratorStore, change: (tx: StoreTx) => StoreTx): OrchestratorStore {
  return over(store, { write: (operation) => store.write((tx) => operation(change(tx))) });
}

/** Transactions begin in another order than they were asked for: no fault, but it brings others to light. */
function late(store: OrchestratorStore, world: World): OrchestratorStore {
  return over(store, {
    write: async (operation) => {
      await world.sleep(world.random() * 500);
      return await store.write(operation);
    },
  });
}

function anyEpoch(tx: StoreTx): StoreTx {
  const { nodes } = tx;
  return over(tx, {
    nodes: over(nodes, {
      updateSession: async (id, epoch, changes) => {
        const current = await nodes.session(id);
        return await nodes.updateSession(id, current?.epoch ?? epoch, changes);
      },
    }),
  });
}

function nobodyWaits(tx: StoreTx): StoreTx {
  const none = () => Promise.resolve([]);
  return over(tx, { wants: over(tx.wants, { requests: none, inOrder: none }) });
}

function startsWhatItRemoves(engine: Engine): Engine {
  return over(engine, {
    create: async (request, signal) => {
      const run = await engine.create(request, signal);
      let started = false;
      return over(run, {
        start: () => {
          started = true;
          return run.start();
        },
        remove: async () => {
          if (!started) await run.start();
          await run.remove();
        },
      });
    },
  });
}

/** The object with some of its members replaced. */
function over<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value = name in members ? members[name as keyof T] : Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
