/** What every implementation of the orchestrator's store must do; called with a way to open one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { ComputeState, type Job, type Phase, PHASES, toRfc3339 } from '../../mod/model/mod.ts';
import {
  changes,
  type JobFilter,
  type NewEvaluation,
  type OrchestratorStore,
  type WantRow,
} from '../../mod/store/mod.ts';
import { sampleExecution, sampleInfo, sampleJob, START, testWorld } from './samples.ts';
import type { World } from '../../runtime/world.ts';

/** Opens the same state again when called again in one test. */
export type OpenStore = (world: World) => Promise<OrchestratorStore>;

const SECOND = 1_000_000_000n;

function evaluation(id: string, over: Partial<NewEvaluation> = {}): NewEvaluation {
  return { id, jobId: 'j-1', trigger: 'job-register', priority: 50, ...over };
}

export function storeSuite(open: OpenStore): void {
  let world = testWorld();
  let store: OrchestratorStore;
  beforeEach(async () => {
    world = testWorld();
    store = await open(world);
  });
  afterEach(() => store.close());

  /** Closes and opens again, so that nothing comes from a cache. */
  const reopen = async () => {
    await store.close();
    store = await open(world);
  };
  const withJob = (id = 'j-1', over: Partial<Job> = {}) =>
    store.write((tx) => tx.jobs.insert(sampleJob(id, over)));
  const withNode = (id = 'n-1') =>
    store.write((tx) => tx.nodes.insert({ id, membership: 'APPROVED', info: sampleInfo(id) }));

  describe('jobs', () => {
    it('comes back exactly, after a restart too, and is the identical object until it changes', async () => {
      const given = sampleJob('j-1');
      await withJob();
      const first = await store.read((reader) => reader.jobs.get('j-1'));
      expect(first!.job).toEqual(given);
      expect(Object.keys(first!.job)).toEqual(Object.keys(given));
      await reopen();
      const row = await store.read((reader) => reader.jobs.get('j-1'));
      expect(row!.job).toEqual(given);
      expect((await store.read((reader) => reader.jobs.get('j-1')))!.job).toBe(row!.job);
      const changed = await store.write((tx) =>
        tx.jobs.update(row!, { state: { StateType: 'Running' }, runStarted: tx.now })
      );
      const again = await store.read((reader) => reader.jobs.byName('default', 'j-1'));
      expect(again!.job.State).toEqual({ StateType: 'Running' });
      expect(again!.job.Revision).toBe(2n);
      expect(again!.runStarted).toBe(START);
      expect(again!.job).toBe(changed.job);
      expect(Object.isFrozen(again!.job.Tasks[0])).toBe(true);
    });

    it('refuses a taken name in a namespace and a taken id, and a stale revision', async () => {
      const row = await withJob();
      const insert = (id: string, name: string, namespace: string) =>
        store.write((tx) => tx.jobs.insert(sampleJob(id, { Name: name, Namespace: namespace })));
      await expect(insert('j-2', 'j-1', 'default')).rejects.toMatchObject({
        code: 'ResourceInUse',
        status: 409,
      });
      await expect(insert('j-1', 'other', 'default')).rejects.toMatchObject({ code: 'ResourceInUse' });
      await insert('j-3', 'j-1', 'elsewhere');
      await store.write((tx) => tx.jobs.update(row, { state: { StateType: 'Stopped' } }));
      await expect(store.write((tx) => tx.jobs.update(row, { state: { StateType: 'Failed' } })))
        .rejects.toMatchObject({ code: 'RevisionConflict' });
    });

    it('keeps the versions, each with the state in which it was replaced', async () => {
      const row = await withJob();
      const done = await store.write((tx) => tx.jobs.update(row, { state: { StateType: 'Completed' } }));
      world.advance(5n);
      await store.write((tx) =>
        tx.jobs.replace(done, sampleJob('other-id', { Count: 7, State: { StateType: 'Pending' } }), {
          specHash: 'h',
        })
      );
      await reopen();
      const now = await store.read((reader) => reader.jobs.get('j-1'));
      expect(now!.job).toMatchObject({ ID: 'j-1', Version: 2, Revision: 3n, Count: 7, CreateTime: START });
      const versions = await store.read((reader) => reader.versions.list('j-1'));
      expect(versions.map((version) => [version.version, version.job.Count, version.specHash]))
        .toEqual([[1, 1, ''], [2, 7, 'h']]);
      expect(versions[0]!.replaced).toEqual({
        state: { StateType: 'Completed' },
        revision: 2n,
        time: START + 5n,
      });
      expect(versions[1]!.replaced).toBeNull();
      expect((await store.read((reader) => reader.versions.get('j-1', 1)))!.job).toEqual(sampleJob('j-1'));
      expect(await store.read((reader) => reader.versions.get('j-1', 9))).toBeUndefined();
    });

    it('finds by prefix, two at most', async () => {
      for (const id of ['j-aa1', 'j-aa2', 'j-aa3', 'j-b']) await withJob(id);
      const find = (prefix: string) =>
        store.read(async (reader) => (await reader.jobs.byIdPrefix(prefix)).map((row) => row.job.ID));
      expect(await find('j-aa')).toEqual(['j-aa1', 'j-aa2']);
      expect(await find('j-b')).toEqual(['j-b']);
      expect(await find('j-a%')).toEqual([]);
    });

    it('an ambiguous prefix stays so, and all ids are there, where few of the jobs fit into one page', async () => {
      const ids = ['j-aa1', 'j-aa2', 'j-aa3'];
      for (const id of ids) await withJob(id, { Meta: { large: 'x'.repeat(1_500_000) } });
      const found = await store.read((reader) => reader.jobs.byIdPrefix('j-aa'));
      expect(found.map((row) => row.job.ID)).toEqual(['j-aa1', 'j-aa2']);
      const page = await store.read((reader) => reader.jobs.list({}));
      expect([page.items.length, page.more]).toEqual([1, true]);
      expect(await store.read((reader) => reader.jobs.ids({}))).toEqual(ids);
    });

    it('lists like filter, sort and slice of an array', async () => {
      const jobs = Array.from({ length: 700 }, (_, i) =>
        sampleJob(`j-${(i * 7919) % 700}`, {
          CreateTime: START + BigInt(i % 50),
          Namespace: i % 3 ? 'default' : 'other',
          Labels: i % 4 ? {} : { canary: 'true' },
        }));
      await store.write(async (tx) => {
        for (const job of jobs) await tx.jobs.insert(job);
      });
      const filters = fc.record({
        namespace: fc.constantFrom(undefined, 'default', 'none'),
        canary: fc.constantFrom(undefined, true, false),
        orderBy: fc.constantFrom('created' as const, 'id' as const),
        reverse: fc.boolean(),
        offset: fc.nat(300),
        limit: fc.nat(120),
      });
      await fc.assert(
        fc.asyncProperty(filters, async ({ namespace, canary, orderBy, reverse, offset, limit }) => {
          const key = (job: (typeof jobs)[number]) =>
            orderBy === 'created' ? `${job.CreateTime}/${job.ID}` : job.ID;
          const wanted = jobs
            .filter((job) => namespace === undefined || job.Namespace === namespace)
            .filter((job) => canary === undefined || ('canary' in job.Labels) === canary)
            .sort((a, b) => (key(a) < key(b) ? -1 : 1) * (reverse ? -1 : 1)).map((job) => job.ID);
          const end = limit === 0 ? wanted.length : offset + limit;
          const filter: JobFilter = {
            orderBy,
            reverse,
            offset,
            limit,
            ...(namespace === undefined ? {} : { namespace }),
            ...(canary === undefined ? {} : { matches: (labels) => ('canary' in labels) === canary }),
          };
          const page = await store.read((reader) => reader.jobs.list(filter));
          expect(page.items.map((row) => row.job.ID)).toEqual(wanted.slice(offset, end));
          expect(page.more).toBe(wanted.length > end);
          expect(await store.read((reader) => reader.jobs.ids(filter))).toEqual(wanted.slice(offset, end));
        }),
        { numRuns: 60 },
      );
    });
  });

  describe('executions', () => {
    beforeEach(async () => {
      await withJob();
      await withNode();
    });

    it('brings an execution back exactly', async () => {
      const row = await store.write((tx) => tx.executions.insert(sampleExecution('e-1')));
      const ended = await store.write((tx) =>
        tx.executions.update(row, {
          phase: 'completed',
          compute: { StateType: ComputeState.Completed, Message: 'done', Details: { a: 'b' } },
          counted: true,
          ended: tx.now,
          nodeRev: 2n ** 60n,
          published: { Type: 'local', Params: { Size: 2n ** 60n } },
          runOutput: {
            Stdout: '\u0000ü',
            StdoutTruncated: true,
            stderr: '',
            StderrTruncated: false,
            ExitCode: 3,
            ErrorMsg: '',
          },
        })
      );
      await reopen();
      const read = await store.read((reader) => reader.executions.get('e-1'));
      expect(read).toEqual(ended);
      expect(await store.read((reader) => reader.executions.get('e-1'))).toBe(read);
      expect(await store.read((reader) => reader.executions.byJob('j-1', 1))).toEqual([ended]);
      expect(await store.read((reader) => reader.executions.byJob('j-1', 2))).toEqual([]);
      expect(await store.read((reader) => reader.executions.hasLive('j-1', 1))).toBe(false);
      expect(await store.read((reader) => reader.executions.tallies('j-1', 1))).toEqual([
        { nodeId: ended.nodeId, phase: 'completed', count: 1, lastEnd: ended.ended },
      ]);
    });

    it('refuses two live, two counted and two equal attempts of a slot, whatever the code asks for', async () => {
      const insert = (id: string, attempt: number, slot = '0') =>
        store.write((tx) => tx.executions.insert(sampleExecution(id, { attempt, slot })));
      const conflict = { code: 'SlotConflict' };
      const first = await insert('e-1', 1);
      await expect(insert('e-2', 2)).rejects.toMatchObject(conflict);
      const unknown = await store.write((tx) => tx.executions.update(first, { phase: 'unknown' }));
      await expect(insert('e-2', 2)).rejects.toMatchObject(conflict);
      const ended = await store.write((tx) => tx.executions.update(unknown, { phase: 'failed' }));
      await expect(insert('e-2', 1)).rejects.toMatchObject(conflict);
      const second = await insert('e-2', 2);
      await insert('e-other', 1, '9');
      await store.write((tx) => tx.executions.update(ended, { counted: true }));
      await expect(store.write((tx) => tx.executions.update(second, { counted: true, phase: 'completed' })))
        .rejects.toMatchObject(conflict);
      await expect(insert('e-1', 3)).rejects.toMatchObject(conflict);
    });

    it('leaves no terminal phase', async () => {
      const terminal = PHASES.filter((phase) =>
        ['stopped', 'rejected', 'refused', 'completed', 'failed', 'lost'].includes(phase)
      );
      for (const [i, from] of terminal.entries()) {
        const row = await store.write((tx) =>
          tx.executions.insert(sampleExecution(`e-${i}`, { attempt: i + 1 }))
        );
        const ended = await store.write((tx) => tx.executions.update(row, { phase: from }));
        for (const to of PHASES.filter((phase) => phase !== from)) {
          await expect(store.write((tx) => tx.executions.update(ended, { phase: to }))).rejects.toThrow(
            RangeError,
          );
        }
      }
    });

    it('keeps the usage of a node equal to the sum over what it holds (S11)', async () => {
      const steps = fc.array(fc.tuple(fc.nat(5), fc.constantFrom(...PHASES)), {
        minLength: 5,
        maxLength: 40,
      });
      let attempt = 0;
      await fc.assert(
        fc.asyncProperty(steps, async (taken) => {
          for (const [slot, phase] of taken) {
            const id = `u-${slot}`;
            const row = await store.read((reader) => reader.executions.get(`${id}-${attempt}`));
            const step = row
              ? store.write((tx) => tx.executions.update(row, { phase: phase as Phase }))
              : store.write((tx) =>
                tx.executions.insert(sampleExecution(`${id}-${++attempt}`, { slot: id, attempt, phase }))
              );
            await step.catch((error) => {
              if (!(error instanceof RangeError) && error.code !== 'SlotConflict') throw error;
            });
            const [kept, held] = await store.read(async (reader) => [
              await reader.nodes.usage('n-1'),
              (await reader.executions.heldByNode('n-1')).length,
            ]);
            const promised = { CPU: held * 100 / 1000, Memory: held * 1000, Disk: held * 5_000_000_000_000 };
            expect(kept).toMatchObject({ executions: held, promised: held ? promised : {} });
            expect(Object.keys(kept.promised)).toHaveLength(held ? 3 : 0);
          }
        }),
        { numRuns: 20 },
      );
      const usage = await store.read((reader) => reader.nodes.usage('n-1'));
      expect(usage.rev).toBeGreaterThan(0n);
    });

    it('finds what is held and what is overdue', async () => {
      await store.write(async (tx) => {
        const add = (id: string, slot: string, over = {}) =>
          tx.executions.insert(sampleExecution(id, { slot, ...over }));
        await add('e-bid', '0', { bidDeadline: START + 1n, jobId: 'j-bid' });
        await add('e-later', '9', { bidDeadline: START + 100n });
        const late = await add('e-exec', '10', { bidDeadline: START + 1n, jobId: 'j-exec' });
        await tx.executions.update(late, { phase: 'running', execDeadline: START });
        const stopping = await add('e-stop', 's');
        await tx.executions.update(stopping, { phase: 'stopping', execDeadline: START });
        const done = await add('e-done', 'd', { bidDeadline: START });
        await tx.executions.update(done, { phase: 'refused' });
        await add('e-else', 'x', { nodeId: 'n-2' });
      });
      const ids = (rows: readonly { id: string }[]) => rows.map((row) => row.id).sort();
      expect(ids(await store.read((reader) => reader.executions.heldByNode('n-1'))))
        .toEqual(['e-bid', 'e-exec', 'e-later', 'e-stop']);
      const overdue = (now: bigint) => store.read((reader) => reader.executions.overdueJobs(now));
      expect([...await overdue(START + 1n)].sort()).toEqual(['j-bid', 'j-exec']);
      expect(await overdue(START)).toEqual(['j-exec']);
    });
  });

  describe('wants', () => {
    const want = (jobId: string, changes: Partial<WantRow> = {}) => ({
      jobId,
      slot: '0',
      slots: 1,
      version: 1,
      nodeId: '',
      namespace: 'default',
      priority: 0,
      since: START,
      due: 0n,
      ...changes,
    });

    it('are in order of priority, then age, per request and node; others are not seen', async () => {
      const small = await store.write(async (tx) => {
        const small = await tx.wants.put(want('j-late', { since: START + 2n }), 'small');
        await tx.wants.put(want('j-early'), 'small');
        await tx.wants.put(want('j-high', { since: START + 9n, priority: 5 }), 'small');
        await tx.wants.put(want('j-early', { slot: '7', due: START + 5n }), 'small');
        await tx.wants.put(want('j-ops', { slot: 'n:n-1', nodeId: 'n-1' }), 'small');
        await tx.wants.put(want('j-big'), 'big');
        return small;
      });
      const order = async (nodeId: string, offset = 0) =>
        (await store.read((reader) => reader.wants.inOrder(small, nodeId, offset, 9))).map(({ jobId }) =>
          jobId
        );
      expect(await order('')).toEqual(['j-high', 'j-early', 'j-late']);
      expect(await order('', 2)).toEqual(['j-late']);
      expect(await order('n-1')).toEqual(['j-ops']);
      expect((await store.read((reader) => reader.wants.requests())).map(({ key }) => key)).toEqual([
        'small',
        'big',
      ]);
    });

    it('tell what a job waits for, and are forgotten with it', async () => {
      await store.write(async (tx) => {
        await tx.wants.put(want('j-1', { slots: 900, since: START + 1n }), 'small');
        await tx.wants.put(want('j-1', { slot: '950', due: START + 5n, since: START + 3n }), 'small');
        await tx.wants.put(want('j-1', { slot: '*', nodeId: '*', since: START + 3n }), 'small');
      });
      await reopen();
      await store.read(async ({ wants }) => {
        expect(await wants.waiting('j-1')).toEqual({ slots: 900, since: START + 1n });
        expect(await wants.nextDue('j-1')).toBe(START + 5n);
        expect((await wants.ready('j-1', START + 4n, 9)).map(({ slot }) => slot)).toEqual(['*', '0']);
        expect(await wants.ready('j-1', START + 5n, 9)).toHaveLength(3);
      });
      await store.write(async (tx) => {
        await tx.wants.remove('j-1', '950');
        expect(await tx.wants.nextDue('j-1')).toBeNull();
        await tx.wants.prune(10);
        expect(await tx.wants.requests()).toHaveLength(1);
        await tx.wants.clear('j-1');
        await tx.wants.prune(10);
        expect(await tx.wants.requests()).toEqual([]);
        expect(await tx.wants.waiting('j-1')).toBeNull();
      });
    });
  });

  describe('evaluations', () => {
    const due = (limit = 10) => store.read((reader) => reader.evaluations.due(world.now(), limit));
    const ids = async () => (await due()).map(({ id }) => id);
    const nextDueAt = () => store.read((reader) => reader.evaluations.nextDueAt());
    const enqueue = (id: string, over: Partial<NewEvaluation> = {}) =>
      store.write((tx) => tx.evaluations.enqueue(evaluation(id, over)));

    it('joins those of one job, and wakes who waits for them; one that was carried out is gone', async () => {
      expect(await nextDueAt()).toBeNull();
      using watch = store.watch(changes.evaluations);
      expect(await enqueue('v-1')).toBe('v-1');
      await watch.next();
      expect(await enqueue('v-2', { trigger: 'exec-update' })).toBe('v-1');
      expect(await nextDueAt()).toBe(0n);
      expect(await due()).toEqual([{ id: 'v-1', jobId: 'j-1', trigger: 'job-register', waitUntil: 0n }]);
      expect(await store.write((tx) => tx.evaluations.remove('v-1'))).toBe(true);
      expect(await store.write((tx) => tx.evaluations.remove('v-1'))).toBe(false);
      expect(await enqueue('v-3')).toBe('v-3');
    });

    it('goes by priority, but waiting outweighs it in the end', async () => {
      await enqueue('low', { jobId: 'j-a', priority: 10 });
      world.advance(SECOND);
      await enqueue('high', { jobId: 'j-b', priority: 90 });
      await enqueue('high-2', { jobId: 'j-c', priority: 90 });
      world.advance(90n * SECOND);
      await enqueue('late', { jobId: 'j-d', priority: 90 });
      expect(await ids()).toEqual(['high', 'high-2', 'low', 'late']);
      // Those whose time has come do not wait behind them.
      await enqueue('timed', { waitUntil: START });
      expect((await due(1)).map(({ id }) => id)).toEqual(['high', 'timed']);
    });

    it('delays one per trigger, with the earlier time', async () => {
      const delayed = (id: string, at: bigint, trigger: NewEvaluation['trigger'] = 'exec-timeout') =>
        enqueue(id, { waitUntil: START + at, trigger });
      expect(await delayed('d-1', 20n * SECOND)).toBe('d-1');
      expect(await delayed('d-2', 10n * SECOND)).toBe('d-1');
      expect(await delayed('d-3', 30n * SECOND)).toBe('d-1');
      expect(await delayed('q-1', 40n * SECOND, 'job-queue')).toBe('q-1');
      expect(await nextDueAt()).toBe(START + 10n * SECOND);
      world.advance(10n * SECOND - 1n);
      expect(await ids()).toEqual([]);
      world.advance(1n);
      expect(await ids()).toEqual(['d-1']);
      await store.write((tx) => tx.evaluations.cancelDelayed('j-1'));
      expect(await nextDueAt()).toBeNull();
    });

    it('puts off one that failed, longer each time, unless another is delayed for the same', async () => {
      await enqueue('v-1');
      const postpone = (id: string) =>
        store.write((tx) => tx.evaluations.postpone(id, (failures) => BigInt(failures) * SECOND));
      expect(await postpone('v-1')).toBe(1);
      expect(await nextDueAt()).toBe(START + SECOND);
      world.advance(SECOND);
      expect(await ids()).toEqual(['v-1']);
      expect(await postpone('v-1')).toBe(2);
      expect(await nextDueAt()).toBe(START + 3n * SECOND);
      await enqueue('v-2');
      expect(await postpone('v-2')).toBe(1);
      expect(await nextDueAt()).toBe(START + 2n * SECOND);
      world.advance(SECOND);
      expect(await ids()).toEqual(['v-1']);
      expect(await postpone('v-2')).toBe(0);
    });

    it('never grows beyond one due and one delayed per trigger of a job', async () => {
      const triggers = ['job-register', 'exec-update', 'exec-timeout'] as const;
      const steps = fc.array(
        fc.oneof(
          fc.record({ enqueue: fc.constantFrom(...triggers), wait: fc.constantFrom(0n, 1n, 5n * SECOND) }),
          fc.record({ end: fc.constantFrom('remove', 'postpone') }),
          fc.record({ advance: fc.constantFrom(1n, 5n * SECOND, 100n * SECOND) }),
        ),
        { maxLength: 40 },
      );
      let count = 0;
      await fc.assert(
        fc.asyncProperty(steps, async (taken) => {
          for (const step of taken) {
            if ('advance' in step) world.advance(step.advance);
            else if ('enqueue' in step) {
              const waitUntil = step.wait && world.now() + step.wait;
              await enqueue(`p-${++count}`, { trigger: step.enqueue, waitUntil });
            } else {
              const [one] = await due(1);
              if (!one) continue;
              await store.write(async ({ evaluations }) =>
                void await (step.end === 'remove'
                  ? evaluations.remove(one.id)
                  : evaluations.postpone(one.id, () => 7n))
              );
            }
            const all = await store.read((reader) => reader.evaluations.due(START * 2n, 100));
            const open = all.map((one) => one.waitUntil === 0n ? 'due' : one.trigger);
            expect(open.length).toBe(new Set(open).size);
          }
        }),
        { numRuns: 40 },
      );
    });
  });

  describe('nodes and outbox', () => {
    it('numbers messages per node, never twice, deletion and return included', async () => {
      const node = await withNode();
      await withNode('n-2');
      const append = (id: string) => store.write((tx) => tx.outbox.append(id, 'e-1', 'ask'));
      expect([await append('n-1'), await append('n-1'), await append('n-2')]).toEqual([1n, 2n, 1n]);
      await expect(store.write(async (tx) => {
        await tx.outbox.append('n-1', 'e-2', 'ask');
        throw new Error('rolled back');
      })).rejects.toThrow('rolled back');
      await store.write((tx) => tx.nodes.openSession('n-1', { owner: 'me' }));
      await store.write((tx) => tx.outbox.acknowledge('n-1', 1n));
      const list = (after: bigint) => store.read((reader) => reader.outbox.list('n-1', after, 10));
      expect((await list(0n)).map((row) => [row.seq, row.executionId, row.kind])).toEqual([[
        2n,
        'e-1',
        'ask',
      ]]);
      expect(await list(2n)).toEqual([]);
      expect((await store.read((reader) => reader.nodes.session('n-1')))!.ackedSeq).toBe(1n);
      await store.write((tx) => tx.outbox.clear('n-1'));
      expect(await store.read((reader) => reader.outbox.list('n-1', 0n, 1))).toEqual([]);
      await store.write((tx) => tx.nodes.update(node, { deletedAt: tx.now }));
      expect((await store.read((reader) => reader.nodes.list())).map((view) => view.node.id)).toEqual([
        'n-2',
      ]);
      const back = await store.write((tx) =>
        tx.nodes.insert({ id: 'n-1', membership: 'PENDING', info: sampleInfo('n-1') })
      );
      expect(back).toMatchObject({ deletedAt: 0n, membership: 'PENDING', outSeq: 2n });
      expect(await append('n-1')).toBe(3n);
      await expect(withNode()).rejects.toMatchObject({ code: 'ResourceInUse' });
      await expect(append('n-none')).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('lets only the current epoch change a session', async () => {
      await withNode();
      const session = (status: 'unknown' | 'suspect' | 'closed', epoch: number) =>
        store.write((tx) => tx.nodes.updateSession('n-1', epoch, { status }));
      const first = await store.write((tx) =>
        tx.nodes.openSession('n-1', { connectedSince: tx.now, reportedSeq: 7n })
      );
      expect(first).toMatchObject({ epoch: 1, status: 'connected', reportedSeq: 7n });
      const second = await store.write((tx) => tx.nodes.openSession('n-1', { incarnation: 'b' }));
      expect(second).toMatchObject({ epoch: 2, reportedSeq: 7n, incarnation: 'b' });
      expect(await session('closed', 1)).toBeUndefined();
      await session('suspect', 2);
      const beat = (epoch: number, time: bigint) => ({
        nodeId: 'n-1',
        epoch,
        time,
        available: { CPU: 1 },
        queued: {},
      });
      await store.write((tx) => tx.nodes.heartbeats([beat(2, START + 5n), beat(1, START + 9n)]));
      const view = await store.read((reader) => reader.nodes.view('n-1'));
      expect(view!.session).toMatchObject({
        status: 'connected',
        lastHeartbeat: START + 5n,
        available: { CPU: 1 },
      });
      expect(view!.usage).toMatchObject({ executions: 0, promised: {} });
      await reopen();
      const again = await store.read((reader) => reader.nodes.view('n-1'));
      expect(again).toEqual(view);
      expect(again!.node.info).toEqual(sampleInfo('n-1'));
    });
  });

  describe('history and idempotency', () => {
    it('numbers entries per job and pages by each filter', async () => {
      await withJob();
      await withJob('j-2');
      const entry = (i: number) => ({
        type: i % 2 ? 'JobLevel' as const : 'ExecutionLevel' as const,
        jobVersion: i < 6 ? 1 : 2,
        ...(i % 2 ? {} : { executionId: `e-${i % 4}` }),
        event: { Message: `${i}`, Topic: 'Scheduling', Timestamp: toRfc3339(START) },
        time: START + BigInt(i),
      });
      await store.write((tx) => tx.history.append('j-1', [1, 2, 3, 4].map(entry)));
      await store.write((tx) => tx.history.append('j-2', [entry(1)]));
      await store.write((tx) => tx.history.append('j-1', [5, 6, 7, 8].map(entry)));
      const page = async (filter: object) => {
        const { items, more } = await store.read((reader) =>
          reader.history.page({ jobId: 'j-1', ...filter })
        );
        return `${items.map((item) => item.SeqNum).join(' ')}${more ? ' …' : ''}`;
      };
      expect(await page({})).toBe('1 2 3 4 5 6 7 8');
      expect(await page({ from: 3n, limit: 2 })).toBe('3 4 …');
      expect(await page({ from: 7n, limit: 2 })).toBe('7 8');
      expect(await page({ version: 2 })).toBe('6 7 8');
      expect(await page({ type: 'JobLevel' })).toBe('1 3 5 7');
      expect(await page({ executionPrefix: 'e-2' })).toBe('2 6');
      expect(await page({ executionPrefix: 'e-' })).toBe('2 4 6 8');
      expect(await page({ since: START + 6n, limit: 1 })).toBe('6 …');
      const { items } = await store.read((reader) =>
        reader.history.page({ jobId: 'j-1', from: 2n, limit: 1 })
      );
      expect(items[0]).toEqual({
        SeqNum: 2n,
        Type: 'ExecutionLevel',
        JobID: 'j-1',
        JobVersion: 1,
        ExecutionID: 'e-2',
        Event: entry(2).event,
        Time: toRfc3339(START + 2n),
      });
      await expect(store.write((tx) => tx.history.append('j-none', [entry(1)])))
        .rejects.toMatchObject({ code: 'NotFound' });
    });

    it('keeps an answer until it expires', async () => {
      const put = (answer: string, namespace = 'default') =>
        store.write((tx) => tx.idempotency.put({ key: 'k', namespace, answer, expires: tx.now + 10n }));
      const get = () => store.read((reader) => reader.idempotency.get('k', 'default', world.now()));
      await put('one');
      await put('elsewhere', 'other');
      await expect(put('two')).rejects.toMatchObject({ code: 'ResourceInUse' });
      expect((await get())!.answer).toBe('one');
      world.advance(10n);
      expect(await get()).toBeUndefined();
      await put('two');
      expect((await get())!.answer).toBe('two');
      expect(await store.write((tx) => tx.idempotency.prune(10))).toBe(1);
    });
  });

  describe('the whole', () => {
    it('keeps its id and names over a restart', async () => {
      const { cluster } = store;
      expect(cluster.storeId).not.toBe('');
      await reopen();
      expect(store.cluster).toEqual(cluster);
    });

    it('wakes the watchers of a change after it is committed, and no others', async () => {
      await withJob();
      await withNode();
      using job = store.watch(changes.job('j-1'));
      using other = store.watch(changes.job('j-2'));
      const woken: string[] = [];
      const outbox = store.changed(changes.outbox('n-1')).then(() =>
        store.read(async (reader) =>
          void woken.push(`outbox ${(await reader.outbox.list('n-1', 0n, 9)).length}`)
        )
      );
      await store.write(async (tx) => {
        await tx.executions.insert(sampleExecution('e-1'));
        await tx.outbox.append('n-1', 'e-1', 'ask');
      });
      await Promise.all([job.next(), outbox]);
      expect(woken).toEqual(['outbox 1']);
      await expect(other.next(AbortSignal.abort(new Error('nothing')))).rejects.toThrow('nothing');
      await expect(job.next(AbortSignal.abort(new Error('once')))).rejects.toThrow('once');
    });

    it('shows readers nothing of a transaction that fails, from caches either', async () => {
      const row = await withJob();
      await expect(store.write(async (tx) => {
        await tx.jobs.update(row, { state: { StateType: 'Failed' } });
        await tx.jobs.get('j-1');
        throw new Error('no');
      })).rejects.toThrow('no');
      await store.write((tx) => tx.jobs.update(row, { state: { StateType: 'Queued' } }));
      const read = await store.read((reader) => reader.jobs.get('j-1'));
      expect(read!.job.State.StateType).toBe('Queued');
      expect(read!.job.Revision).toBe(2n);
    });
  });
}
