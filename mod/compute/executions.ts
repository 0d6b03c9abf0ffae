/**
 * All executions that this node holds: takes messages in, decides bids, keeps the local queue and the capacity, starts
 * runs and ends them. Each message becomes one write, issued in the order of the messages; what follows from it begins
 * when it is durable.
 */
import { EventTopic, exceeding } from '../model/mod.ts';
import type { Event, Execution, Resources } from '../model/mod.ts';
import type { ComputePhase, PhaseChange } from '../store/mod.ts';
import type { InMessage } from '../transport/mod.ts';
import { decideBid, refusalEvent } from './bid.ts';
import type { Bid, BidRules } from './bid.ts';
import { Capacity } from './capacity.ts';
import { chooseDevices, withoutDevices } from './devices.ts';
import { asFailure, RunFailure } from './failure.ts';
import { Held } from './held.ts';
import { ENTERED_FROM } from './phase.ts';
import { portsOf } from './ports.ts';
import { LocalQueue } from './queue.ts';
import { bidResult, computeError } from './reports.ts';
import { Runner } from './runner.ts';
import type { Beginning } from './beginning.ts';
import type { Workshop } from './workshop.ts';

export class Executions {
  readonly capacity: Capacity;
  readonly queue: LocalQueue;
  readonly #held = new Map<string, Held>();
  /** Executions whose earlier try left files behind (restart). */
  readonly #discard = new Set<string>();
  #open = false;
  #accepting = true;
  #closed = false;
  readonly #closing = new AbortController();

  constructor(readonly shop: Workshop, readonly rules: BidRules, overtakes: number) {
    this.capacity = new Capacity(rules.total);
    this.queue = new LocalQueue(overtakes);
  }

  /** Aborted when nothing is to be begun any more. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get(id: string): Held | undefined {
    return this.#held.get(id);
  }

  held(): readonly Held[] {
    return [...this.#held.values()];
  }

  /** Sum over what waits in the queue. */
  queued(): { readonly count: number; readonly resources: readonly Resources[] } {
    const waiting = this.queue.waiting();
    return { count: waiting.length, resources: waiting.map(({ resources }) => resources) };
  }

  /** Resolves when the effect of the message is durable. Unknown executions and repetitions have none. */
  receive(message: InMessage): Promise<void> {
    switch (message.type) {
      case 'AskForBid':
        return this.#ask(message.payload.Execution);
      case 'BidAccepted':
        return this.#accept(message.payload.ExecutionID);
      case 'BidRejected':
        return this.#reject(message.payload.ExecutionID);
      case 'CancelExecution':
        return this.#cancel(message.payload.ExecutionID);
    }
  }

  /** New work is refused from now on; what is queued stays queued and does not start. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  /** Goes on with an execution that a restart found in this phase. */
  resume(held: Held, phase: ComputePhase, beginning: Beginning): void {
    this.#held.set(held.id, held);
    if (phase === 'received') return void this.#bid(held);
    if (beginning.kind !== 'fresh') return this.#begin(held, beginning);
    // Nothing of it runs: what was chosen for it is chosen anew; only the ports that the job names stay its own.
    if (this.capacity.release(held.id)) this.shop.ports.release(held.id);
    held.resources = withoutDevices(held.resources);
    held.ports = [];
    this.shop.ports.hold(held.id, portsOf(held.task));
    if (phase === 'offered') return;
    if (beginning.discard) this.#discard.add(held.id);
    this.#enqueue(held);
  }

  /** Holds room and ports of what a restart found while its engine does not answer. */
  awaitEngine(held: Held): void {
    held.awaitsEngine = true;
    this.#held.set(held.id, held);
    this.capacity.hold(held.id, held.resources);
    this.shop.ports.hold(held.id, held.ports);
  }

  /** What runs already is known: from now on more may be started. */
  open(): void {
    this.#open = true;
    this.pump();
  }

  /** Starts what fits. */
  pump(): void {
    while (this.#open && this.#accepting && !this.#closed) {
      const next = this.queue.take(this.capacity.available);
      const held = next && this.#held.get(next.id);
      if (!held) return;
      this.#begin(held, { kind: 'fresh', discard: this.#discard.delete(held.id) });
    }
  }

  /** Ends all runs for good; each fails as infrastructure and may be placed elsewhere. */
  async stopAll(): Promise<void> {
    this.stopAccepting();
    const waiting = this.queue.waiting().map(({ id }) => this.#held.get(id)!);
    for (const held of waiting) {
      this.queue.remove(held.id);
      this.#begin(held, { kind: 'fresh', discard: false });
    }
    const runners = this.held().flatMap((held) => held.runner ?? []);
    for (const runner of runners) runner.stop('shutdown');
    await Promise.all(runners.map((runner) => runner.ended));
  }

  /** Resolves when no run is left; queued work stays queued. */
  async settled(): Promise<void> {
    for (;;) {
      const runners = this.held().flatMap((held) => held.runner ?? []);
      if (runners.length === 0) return;
      await Promise.all(runners.map((runner) => runner.ended));
    }
  }

  /** Nothing is begun or stored any more. */
  abandon(): void {
    this.#closed = true;
    this.#closing.abort();
    for (const held of this.#held.values()) held.runner?.abandon();
  }

  async #ask(execution: Execution): Promise<void> {
    const { store, log } = this.shop;
    if (!execution?.ID || !execution.JobID) {
      return log('warn', 'an order without execution or job was ignored', {});
    }
    if (!this.#accepting) {
      // A repetition of what is here already is no new work.
      if (await store.find(execution.ID)) return;
      return await store.post(execution.ID, 'bid', this.#no(execution, NOT_ACCEPTING));
    }
    const cluster = execution.Job?.Meta?.['bacalhau.org/orchestrator.id'] ?? '';
    // Held before it is durable: approval or cancel may come in the same burst.
    const held = new Held(execution);
    const isFirst = !this.#held.has(held.id);
    if (isFirst) this.#held.set(held.id, held);
    const inserted = store.insert(execution, cluster);
    // Decided meanwhile: a bid that is quick shares the order's commit, and finds its phase only if the order is new.
    if (isFirst) void this.#bid(held);
    const outcome = await inserted;
    if (outcome === 'new' && !held.cancelled) return;
    if (isFirst && this.#held.get(held.id) === held) this.#forget(held);
    if (outcome === 'pruned') await store.post(execution.ID, 'bid', this.#no(execution, PRUNED));
  }

  async #bid(held: Held): Promise<void> {
    const { shop } = this;
    const abort = new AbortController();
    const timer = shop.world.after(shop.limits.bidMs, () => abort.abort(new Error('the bid took too long')));
    let bid: Bid | { readonly kind: 'error'; readonly event: Event };
    try {
      bid = await decideBid(held.execution, this.rules, abort.signal);
    } catch (thrown) {
      bid = { kind: 'error', event: asFailure(thrown, EventTopic.ExecScanning).event(shop.world.now()) };
    } finally {
      timer[Symbol.dispose]();
    }
    // Forgotten meanwhile: a port that it waited for may have come later.
    if (this.#held.get(held.id) !== held) this.shop.ports.release(held.id);
    if (this.#closed || held.cancelled) return;
    try {
      if (bid.kind === 'yes') await this.#offer(held, bid);
      else if (bid.kind === 'no') await this.#refuse(held, refusalEvent(bid.refusals, shop.world.now()));
      else await this.#fail(held, bid.event);
    } catch (thrown) {
      shop.log('error', 'cannot store a bid', { execution: held.id, error: String(thrown) });
    }
  }

  async #offer(held: Held, { resources, pinned }: Extract<Bid, { kind: 'yes' }>): Promise<void> {
    const { store } = this.shop;
    held.resources = resources;
    held.pinned = pinned;
    // A direct order (desired Running) is not answered: its result is the answer.
    if (!held.approved) {
      const report = { kind: 'bid', message: bidResult(held.execution, true, null) } as const;
      const change = { phase: 'offered', allocated: resources, pinned, report } as const;
      if (!await store.advance(held.id, ENTERED_FROM.offered, change)) return;
      // An approval that overtook the bid found the phase `received` and left its wish only.
      if (!held.approved) return;
    }
    await this.#queue(held, ['received', 'offered'], { allocated: resources, pinned });
  }

  async #refuse(held: Held, event: Event): Promise<void> {
    const { store, world } = this.shop;
    const report = { kind: 'bid', message: bidResult(held.execution, false, [event]) } as const;
    const change = { phase: 'refused', ended: world.now(), report } as const;
    if (!await store.advance(held.id, ENTERED_FROM.refused, change)) return;
    this.#forget(held);
    this.shop.ended(held.id, 'refused');
  }

  async #fail(held: Held, event: Event): Promise<void> {
    const { store, world } = this.shop;
    const report = { kind: 'result', message: computeError(held.execution, event, held.events) } as const;
    const change = { phase: 'failed', ended: world.now(), report } as const;
    if (!await store.advance(held.id, ENTERED_FROM.failed, change)) return;
    this.#forget(held);
    this.shop.ended(held.id, 'failed');
  }

  /** The node has become smaller than what it promised: another is to run it. */
  async #handBack(held: Held, over: readonly (keyof Resources)[]): Promise<void> {
    const failure = new RunFailure({
      topic: EventTopic.ExecScanning,
      class: 'infrastructure',
      code: 'CapacityLowered',
      message: `Cannot run execution "${held.id}": its node no longer has the ${
        over.join(' and ')
      } that it promised`,
      hint: 'The work is placed on another node where the policy of the job allows it',
    });
    try {
      await this.#fail(held, failure.event(this.shop.world.now()));
    } catch (thrown) {
      this.shop.log('error', 'cannot hand back an execution', { execution: held.id, error: String(thrown) });
    }
  }

  async #accept(id: string): Promise<void> {
    const held = this.#held.get(id);
    // Bid and approval may meet: whichever is stored second queues it.
    if (held) held.approved = true;
    if (held && await this.#queue(held, ['offered'], {})) return;
    await this.shop.store.desire(id, 1);
  }

  async #queue(
    held: Held,
    from: readonly ComputePhase[],
    more: Pick<PhaseChange, 'allocated' | 'pinned'>,
  ): Promise<boolean> {
    const queuedAt = this.shop.world.now();
    const change = { phase: 'queued', desired: 1, queuedAt, ...more } as const;
    if (!await this.shop.store.advance(held.id, from, change)) return false;
    held.queuedAt = queuedAt;
    this.#enqueue(held);
    return true;
  }

  #enqueue(held: Held): void {
    if (held.cancelled || this.#closed) return;
    const over = exceeding(held.resources, this.rules.total);
    if (over.length > 0) return void this.#handBack(held, over);
    this.queue.add({
      id: held.id,
      priority: held.execution.Job?.Priority ?? 0,
      queuedAt: held.queuedAt,
      resources: held.resources,
    });
    this.pump();
    if (!held.runner) this.shop.status.mark(held, 'queued');
  }

  #begin(held: Held, beginning: Beginning): void {
    if (beginning.kind === 'fresh') held.resources = chooseDevices(held.resources, this.capacity.available);
    if (PROGRAM.includes(beginning.kind)) {
      this.capacity.hold(held.id, held.resources);
      this.shop.ports.hold(held.id, held.ports);
    } else this.#free(held);
    const grown = (Memory: number) => this.capacity.grow(held.id, { ...held.resources, Memory });
    const runner = new Runner(this.shop, held, beginning, () => this.#free(held), grown);
    held.runner = runner;
    held.begun.resolve();
    void runner.ended.then(() => {
      if (this.#closed) return;
      this.#free(held);
      this.#forget(held);
    });
  }

  /** What the run held is free for the next one, once. */
  #free(held: Held): void {
    if (this.#closed || !this.capacity.release(held.id)) return;
    this.shop.ports.release(held.id);
    this.pump();
  }

  async #reject(id: string): Promise<void> {
    const now = this.shop.world.now();
    const change = { phase: 'rejected', ended: now, confirmedAt: now } as const;
    if (!await this.shop.store.advance(id, ENTERED_FROM.rejected, change)) return;
    const held = this.#held.get(id);
    if (held) this.#forget(held);
  }

  async #cancel(id: string): Promise<void> {
    const { store, world } = this.shop;
    const now = world.now();
    const held = this.#held.get(id);
    // A cancel of what has ended says that its end is known; a repeated one waits for the first to be durable.
    if (!held || held.cancelled) return await this.#confirm(id, now);
    held.cancelled = true;
    if (held.runner || held.awaitsEngine) {
      this.shop.ports.leave(held.id);
      const change = { phase: 'cancelling', desired: 2 } as const;
      const [begun] = await Promise.all([
        store.advance(id, ENTERED_FROM.cancelling, change),
        this.#confirm(id, now),
      ]);
      // What has begun is undone first.
      if (begun) held.runner?.stop('cancelled');
      return;
    }
    this.queue.remove(id);
    const change = {
      phase: 'cancelled',
      desired: 2,
      ended: now,
      ...this.shop.stopReport(held, now),
    } as const;
    if (!await store.advance(id, ENTERED_FROM.cancelled, change)) await this.#confirm(id, now);
    this.shop.status.drop(id);
    this.#forget(held);
  }

  async #confirm(id: string, now: bigint): Promise<void> {
    if (await this.shop.store.confirm(id, now)) this.shop.confirmed(id);
  }

  #forget(held: Held): void {
    this.#held.delete(held.id);
    if (!this.#closed) this.shop.ports.release(held.id);
    held.begun.resolve();
  }

  #no(execution: Execution, why: { readonly code: string; readonly reason: string }) {
    const refusal = { ...why, hint: '', retryable: false };
    return bidResult(execution, false, [refusalEvent([refusal], this.shop.world.now())]);
  }
}

/** Beginnings with a program that runs, or may; for the others only results are left to see to. */
const PROGRAM: readonly Beginning['kind'][] = ['fresh', 'adopt', 'remove'];

const NOT_ACCEPTING = {
  code: 'NodeDraining',
  reason: 'this node does not accept new work: it is shutting down',
};
const PRUNED = {
  code: 'Replay',
  reason: 'this node has held this execution before and does not run it again',
};
