/** Engines, sources and publishers of this node by name; names are compared ignoring case. */
import type { Engine } from '../engine/mod.ts';
import type { Refusal } from '../model/mod.ts';
import type { Publisher } from '../publisher/mod.ts';
import type { Source } from '../storage/mod.ts';

interface Provider {
  readonly type: string;
  readonly aliases?: readonly string[];
  available(): Promise<Refusal | null>;
}

export class Providers<P extends Provider> {
  readonly #byName = new Map<string, P>();
  readonly #names: readonly { readonly name: string; readonly provider: P }[];

  constructor(providers: readonly P[]) {
    const names = providers.flatMap((provider) =>
      [provider.type, ...provider.aliases ?? []].map((name) => ({ name, provider }))
    );
    this.#names = names.sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, provider } of names) this.#byName.set(name.toLowerCase(), provider);
  }

  get(type: string): P | undefined {
    return this.#byName.get(type.trim().toLowerCase());
  }

  all(): readonly P[] {
    return [...new Set(this.#byName.values())];
  }

  /** Names of those that can be used now, sorted. */
  async available(): Promise<readonly string[]> {
    const answers = await Promise.all(this.#names.map(({ provider }) => provider.available()));
    return this.#names.filter((_, index) => answers[index] === null).map(({ name }) => name);
  }
}

export interface AllProviders {
  readonly engines: Providers<Engine>;
  readonly sources: Providers<Source>;
  readonly publishers: Providers<Publisher>;
}
