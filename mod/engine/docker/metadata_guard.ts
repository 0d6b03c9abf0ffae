/**
 * Keeps bridge containers from the addresses at which clouds hand out the credentials of a machine.
 *
 * A container gets its hardware address before it starts, from a small pool that belongs to this installation, and the
 * firewall refuses frames from those addresses to the metadata services. The rule is there before the address is first
 * used, so there is no moment at which it does not hold, and no container of anybody else is touched. (A rule by IP would
 * come too late, since the engine chooses the IP at the start.) A program with NET_RAW could forge its hardware address,
 * which is one reason why the engine drops that capability by default.
 *
 * `nat PREROUTING` accepts such packets, so that no later rule there sends them elsewhere first (agents on the host that
 * stand in for the service do so); `FORWARD` and `INPUT` of `filter` then refuse them.
 */
import { createHash } from 'node:crypto';
import { type ContainerInspect, type Docker, DockerError } from '../../../runtime/docker/mod.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { World } from '../../../runtime/world.ts';
import { findFirewalls, type Firewall } from './metadata_firewall.ts';
import { installFilter, runOfLabels } from './names.ts';

export interface MetadataGuardOptions {
  readonly world: World;
  readonly docker: Docker;
  readonly installId: string;
  /** False: containers may reach the metadata addresses. */
  readonly enabled?: boolean;
  readonly logger?: Logger;
}

/** 02:42 is Docker's own beginning, b0 to bf follows no private IP there (Docker derives the rest from the IP). */
const FIRST_PAGE = 0xb0;
const PAGES = 16;
const PAGE_SIZE = 256;
/** How often rules are looked at again: a reload of the host's firewall removes them. */
const VERIFY_MS = 5_000;

export class MetadataGuard {
  #firewalls: readonly Firewall[] = [];
  #ready: Promise<boolean> | undefined;
  /** Hardware address by run. */
  #used = new Map<string, string>();
  /** Addresses that have rules. */
  #guarded = new Set<string>();
  #verified = -Infinity;
  /** One change of the firewall at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #middle: string;
  #chain: string;

  constructor(private readonly options: MetadataGuardOptions) {
    const digest = createHash('sha256').update(options.installId).digest('hex');
    this.#middle = `${digest.slice(0, 2)}:${digest.slice(2, 4)}`;
    this.#chain = `BACALHAU-${digest.slice(0, 12)}`;
  }

  /**
   * What the container is to be created with; its traffic is guarded from then on. Nothing where the guard is switched
   * off or cannot work here, which the log says once.
   * @throws Error when rules that worked before cannot be set
   */
  async endpoint(executionId: string, runNo: number): Promise<{ macAddress?: string }> {
    if (this.options.enabled === false || !await this.#started()) return {};
    const key = keyOf(executionId, runNo);
    const macAddress = this.#used.get(key) ?? this.#choose();
    this.#used.set(key, macAddress);
    try {
      await this.#guard(macAddress);
    } catch (error) {
      this.#used.delete(key);
      throw error;
    }
    return { macAddress };
  }

  /** The container is gone. Its address may be used again, its rule stays for that. Idempotent. */
  release(executionId: string, runNo: number): void {
    this.#used.delete(keyOf(executionId, runNo));
  }

  /** Removes the rules, unless containers that live on still need them. Idempotent. */
  async close(): Promise<void> {
    const ready = await this.#ready;
    if (!ready || this.#used.size > 0) return;
    await this.#exclusive(async () => {
      for (const firewall of this.#firewalls) await firewall.remove();
      this.#guarded.clear();
      this.#verified = -Infinity;
    });
  }

  /** Once; again after a failure, since an engine that is away comes back. */
  #started(): Promise<boolean> {
    return this.#ready ??= this.#start().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
  }

  /** Finds the firewall, and the addresses that containers of an earlier node use. False when there is no way. */
  async #start(): Promise<boolean> {
    const { docker, installId } = this.options;
    const missing = (why: string) => {
      this.options.logger?.log('warn', 'Containers on the bridge can reach the cloud metadata address', {
        why,
      });
      return false;
    };
    if (!docker.endpoint.isLocal) return missing('the Docker engine is not on this machine');
    const found = await findFirewalls(this.#chain);
    if (typeof found === 'string') return missing(found);
    const list = await docker.containers.list({ all: true, filters: installFilter(installId) });
    for (const { Id, Labels } of list) {
      const run = runOfLabels(installId, Labels);
      const mac = run?.part === 'executor' ? await this.#addressOf(Id) : undefined;
      if (run && mac) this.#used.set(keyOf(run.executionId, run.runNo), mac);
    }
    this.#firewalls = found;
    // Rules of an earlier node are replaced by those that are still needed, in one step.
    await this.#exclusive(() => this.#rebuild([...this.#used.values()]));
    return true;
  }

  async #addressOf(id: string): Promise<string | undefined> {
    let found: ContainerInspect;
    try {
      found = await this.options.docker.containers.inspect(id);
    } catch (error) {
      if (error instanceof DockerError && error.code === 'ContainerNotFound') return undefined;
      throw error;
    }
    const { Config, NetworkSettings } = found;
    const attached = Object.values(NetworkSettings.Networks ?? {}).map(({ MacAddress }) => MacAddress);
    return [Config.MacAddress, ...attached].find((mac) => mac && this.#isOurs(mac));
  }

  #isOurs(mac: string): boolean {
    return this.#pool().some((ours) => ours === mac.toLowerCase());
  }

  #pool(): string[] {
    const byte = (value: number) => value.toString(16).padStart(2, '0');
    return Array.from(
      { length: PAGES * PAGE_SIZE },
      (_, at) =>
        `02:42:${byte(FIRST_PAGE + Math.floor(at / PAGE_SIZE))}:${this.#middle}:${byte(at % PAGE_SIZE)}`,
    );
  }

  /** The first free address: so few are ever used, and most have their rule already. */
  #choose(): string {
    const used = new Set(this.#used.values());
    const free = this.#pool().find((mac) => !used.has(mac));
    if (free === undefined) {
      throw new Error('Cannot guard a container: all hardware addresses of the pool are in use');
    }
    return free;
  }

  #guard(mac: string): Promise<void> {
    return this.#exclusive(async () => {
      const { world } = this.options;
      if (world.elapsed() - this.#verified > VERIFY_MS) {
        const intact = await Promise.all(this.#firewalls.map((firewall) => firewall.intact(this.#guarded)));
        if (!intact.every((fine) => fine)) return await this.#rebuild([...this.#guarded, mac]);
        this.#verified = world.elapsed();
      }
      if (this.#guarded.has(mac)) return;
      for (const firewall of this.#firewalls) await firewall.add(mac);
      this.#guarded.add(mac);
    });
  }

  async #rebuild(macs: readonly string[]): Promise<void> {
    const all = new Set(macs);
    for (const firewall of this.#firewalls) await firewall.rebuild([...all]);
    this.#guarded = all;
    this.#verified = this.options.world.elapsed();
  }

  #exclusive<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(act, act);
    this.#turn = next.catch(() => undefined); // whoever asked hears of it
    return next;
  }
}

function keyOf(executionId: string, runNo: number): string {
  return `${executionId} ${runNo}`;
}
