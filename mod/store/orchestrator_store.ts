/** {@link OrchestratorStore} over any {@link Database}: opens it, names the cluster, and binds the repositories. */
import type { World } from '../../runtime/world.ts';
import { type Caches, newCaches, type ReadContext, type WriteContext } from './context.ts';
import type { Database } from './database.ts';
import { Evaluations, EvaluationsReader } from './evaluations.ts';
import { Executions, ExecutionsReader } from './executions.ts';
import { Histories, HistoriesReader } from './history.ts';
import { IdempotencyKeys, IdempotencyKeysReader } from './idempotency.ts';
import { Jobs, JobsReader } from './jobs.ts';
import { Nodes, NodesReader } from './nodes.ts';
import { type OrchestratorSchema, prepare, type Written } from './orchestrator_schema.ts';
import { Outboxes, OutboxesReader } from './outbox.ts';
import type { ClusterRow } from './rows.ts';
import { fields } from './statement.ts';
import type { OrchestratorStore, StoreReader, StoreTx } from './store.ts';
import { Versions } from './versions.ts';
import { Wants, WantsReader } from './wants.ts';

const selectCluster = prepare((db) => db.selectFrom('cluster').selectAll().compile());
const insertCluster = prepare((db, row: Written<'cluster'>) =>
  db.insertInto('cluster')
    .values(fields(row, ['id', 'store_id', 'restore_epoch', 'orchestrator_id', 'create_time'])).compile()
);

/** What a store needs beside its database. */
export interface OrchestratorStoreOptions {
  readonly world: World;
  /** Name of the logical orchestrator for a new store; an existing one keeps its own. */
  readonly orchestratorId: string;
}

/** A new store gets a new store id: peers compare it before they trust a position. */
export async function orchestratorStore(
  database: Database<OrchestratorSchema>,
  { world, orchestratorId }: OrchestratorStoreOptions,
): Promise<OrchestratorStore> {
  const cluster = await database.write(async ({ db }) => {
    const found = await selectCluster.first(db);
    if (found) return found;
    const row = { store_id: world.uuid(), orchestrator_id: orchestratorId };
    const numbers = { id: 1n, restore_epoch: 0n, create_time: world.now() };
    await insertCluster.run(db, { ...row, ...numbers });
    return { ...row, ...numbers };
  });
  const caches = newCaches();
  return {
    cluster: Object.freeze<ClusterRow>({
      storeId: cluster.store_id,
      restoreEpoch: Number(cluster.restore_epoch),
      orchestratorId: cluster.orchestrator_id,
      createTime: cluster.create_time,
    }),
    failed: database.failed,
    read: (operation) =>
      database.read((db) => operation(reader({ db, caches, cache: (change) => change(caches) }))),
    write: (operation) =>
      database.write(({ db, notify, afterCommit, afterRollback }) => {
        const cache = (change: (caches: Caches) => void) => afterCommit(() => change(caches));
        const context = { db, notify, caches, cache, now: world.now(), uuid: () => world.uuid() };
        return operation({ ...transaction(context), afterCommit, afterRollback });
      }),
    changed: (key, signal) => database.changed(key, signal),
    watch: (key) => database.watch(key),
    stats: () => database.stats(),
    close: () => database.close(),
    abandon: () => database.abandon(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

function reader(context: ReadContext): StoreReader {
  return {
    jobs: new JobsReader(context),
    versions: new Versions(context),
    executions: new ExecutionsReader(context),
    evaluations: new EvaluationsReader(context),
    nodes: new NodesReader(context),
    outbox: new OutboxesReader(context),
    history: new HistoriesReader(context),
    idempotency: new IdempotencyKeysReader(context),
    wants: new WantsReader(context),
  };
}

function transaction(context: WriteContext): Omit<StoreTx, 'afterCommit' | 'afterRollback'> {
  return {
    now: context.now,
    jobs: new Jobs(context),
    versions: new Versions(context),
    executions: new Executions(context),
    evaluations: new Evaluations(context),
    nodes: new Nodes(context),
    outbox: new Outboxes(context),
    history: new Histories(context),
    idempotency: new IdempotencyKeys(context),
    wants: new Wants(context),
  };
}
