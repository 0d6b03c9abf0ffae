/**
 * Query parameters as rest-api.md 2.1 and 2.3 read them: names match in any case (the exact one is preferred), the first
 * of repeated values wins, an empty value is the zero value.
 */
import { requestError } from './errors.ts';

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['', '0', 'f', 'F', 'FALSE', 'false', 'False'];
const MAX_UINT32 = 2n ** 32n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_INT64 = 2n ** 63n - 1n;

export class Query {
  readonly #pairs: readonly (readonly [string, string])[];

  /** @param url absolute or not; only what follows `?` is read */
  constructor(url: string) {
    const start = url.indexOf('?');
    this.#pairs = start < 0 ? [] : [...new URLSearchParams(url.slice(start + 1))];
  }

  all(name: string): readonly string[] {
    if (this.#pairs.length === 0) return [];
    const exact = this.#pairs.filter(([key]) => key === name);
    const found = exact.length > 0 ? exact : this.#pairs.filter(([key]) => key.toLowerCase() === name);
    return found.map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.all(name).length > 0;
  }

  /** `''` when absent. */
  text(name: string): string {
    return this.all(name)[0] ?? '';
  }

  bool(name: string): boolean {
    const text = this.text(name);
    if (TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
    throw requestError(`Cannot read parameter "${name}": "${text}" is neither true nor false`);
  }

  /** 0 when absent. */
  uint32(name: string): number {
    return Number(this.#integer(name, MAX_UINT32));
  }

  /** Absent and 0 both mean the current version. */
  version(name: string): { version?: number } {
    const version = Number(this.#integer(name, MAX_UINT64));
    return version === 0 ? {} : { version };
  }

  /** Not negative; 0 when absent. */
  int64(name: string): bigint {
    return this.#integer(name, MAX_INT64);
  }

  #integer(name: string, max: bigint): bigint {
    const text = this.text(name);
    if (text === '') return 0n;
    const value = /^[0-9]{1,20}$/.test(text) ? BigInt(text) : -1n;
    if (value < 0n || value > max) {
      throw requestError(`Cannot read parameter "${name}": "${text}" is not an integer from 0 to ${max}`);
    }
    return value;
  }
}
