/**
 * Compares what the engines have of this installation with the executions that own it (invariants.md S12, L6), after a
 * start and then every so often. What nobody owns is removed; what should be there and is not is counted: its run learns
 * of it by itself. Both are drift, which an operator can see.
 */
import type { Engine, EngineObject, Run } from '../engine/mod.ts';
import type { Executions } from './executions.ts';
import { inTime } from './patience.ts';
import type { Workshop } from './workshop.ts';

export interface Drift {
  /** Objects without an execution that were removed since the node started. */
  readonly removed: number;
  /** Runs whose object was gone though their program had not ended. */
  readonly missing: number;
}

/** An engine has so long for one answer. */
const ANSWER_MS = 10_000;
/** After an object could not be removed. */
const SOON_MS = 5_000;

export class Sweep {
  readonly #missed = new WeakSet<Run>();
  readonly #away = new Set<string>();
  #removed = 0;
  #missing = 0;
  #timer: Disposable | null = null;
  #closed = false;

  constructor(
    readonly shop: () => Workshop,
    readonly engines: readonly Engine[],
    readonly executions: () => Executions,
  ) {}

  get drift(): Drift {
    return Object.freeze({ removed: this.#removed, missing: this.#missing });
  }

  start(): void {
    this.#arm(this.shop().timings.sweepMs);
  }

  /** Something was left behind: does not wait for the next round. */
  soon(): void {
    this.#arm(Math.min(SOON_MS, this.shop().timings.sweepMs));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** All engines once. Never rejects. */
  async round(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => {
      if (!engine.objects) return;
      try {
        const refusal = await engine.available();
        if (refusal) return this.#tellAway(engine, { reason: refusal.reason, hint: refusal.hint });
        await this.#settle(engine);
        this.#away.delete(engine.type);
      } catch (thrown) {
        this.#tellAway(engine, { error: String(thrown) });
      }
    }));
  }

  /** Once for each time that it goes away; a node that runs nothing on it may do without it. */
  #tellAway(engine: Engine, why: Readonly<Record<string, string>>): void {
    if (this.#away.has(engine.type)) return;
    this.#away.add(engine.type);
    const level = this.#running(engine).size > 0 ? 'warn' : 'info';
    this.shop().log(level, 'an engine cannot be used', { engine: engine.type, ...why });
  }

  #arm(ms: number): void {
    if (this.#closed || !this.engines.some((engine) => engine.objects)) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.shop().world.after(ms, () => {
      void this.round().then(() => this.start());
    });
  }

  async #settle(engine: Engine): Promise<void> {
    if (!engine.objects || !engine.discard) return;
    const { world } = this.shop();
    // Before the list: what was there by then has to be in it.
    const running = this.#running(engine);
    const objects = await inTime(world, ANSWER_MS, 'Cannot list its objects', () => engine.objects!());
    if (this.#closed) return;
    this.#countMissing(running, objects);
    for (const object of objects) {
      // After the list: what is in it and has no owner by now will never have one.
      if (this.#closed || this.#isOwned(object)) continue;
      await engine.discard(object);
      this.#removed++;
      this.shop().log('warn', 'removed what no execution owns', {
        engine: engine.type,
        kind: object.kind,
        id: object.id,
        execution: object.executionId,
        run: String(object.runNo),
      });
    }
  }

  /** One that is being prepared, or whose engine is still being asked, owns what bears its name. */
  #isOwned({ executionId, runNo }: EngineObject): boolean {
    const held = this.executions().get(executionId);
    return held !== undefined && held.runNo === runNo && (held.runner?.owns ?? true);
  }

  #running(engine: Engine): ReadonlyMap<Run, string> {
    return new Map(
      this.executions().held().flatMap(({ runner, id, runNo }) => {
        const run = runner?.object;
        const own = run?.identity.engine.toLowerCase() === engine.type.toLowerCase();
        return run && own ? [[run, `${id}/${runNo}`] as const] : [];
      }),
    );
  }

  #countMissing(running: ReadonlyMap<Run, string>, objects: readonly EngineObject[]): void {
    const there = new Set(objects.map(({ executionId, runNo }) => `${executionId}/${runNo}`));
    const still = new Set(this.executions().held().map(({ runner }) => runner?.object));
    for (const [run, name] of running) {
      if (there.has(name) || !still.has(run) || this.#missed.has(run)) continue;
      this.#missed.add(run);
      this.#missing++;
      this.shop().log('warn', 'the object of a run is gone from its engine', { run: name });
    }
  }
}
