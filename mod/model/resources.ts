/** Amounts of CPU, memory, disk and GPUs: reading what people write (job-spec.md 1.12) and arithmetic on it. */
import type { ResourcesConfig } from './job.ts';
import {
  type Codec,
  codec,
  float,
  int,
  list,
  omitEmpty,
  required,
  type Shape,
  struct,
  text,
  type TypeOf,
  uint,
} from './shape.ts';

/** A graphics processor. */
export interface Gpu extends TypeOf<typeof gpu> {}
const gpu = struct('GPU', {
  Index: required(int),
  Name: required(text),
  /** `NVIDIA`, `AMD/ATI`, `Intel` */
  Vendor: required(text),
  /** MiB */
  Memory: required(uint),
  PCIAddress: required(text),
});

/** Each key is left out at zero, so nothing is `{}`. */
export interface Resources extends TypeOf<typeof resources> {}
const resources = struct('Resources', {
  /** Cores. */
  CPU: omitEmpty(float),
  /** Bytes. */
  Memory: omitEmpty(uint),
  /** Bytes. */
  Disk: omitEmpty(uint),
  /** Devices. */
  GPU: omitEmpty(uint),
  /** Which devices, where they are known: of a node, and of an execution that has left its node's queue. */
  GPUs: omitEmpty(list(gpu as Shape<Gpu>, 'refuse')),
});
/** The JSON of resources. */
export const resourcesCodec: Codec<Resources> = codec('resources', resources);

/** The names of all amounts. */
export const AMOUNTS = ['CPU', 'Memory', 'Disk', 'GPU'] as const;
/** Name of an amount of {@link Resources}. */
export type Amount = (typeof AMOUNTS)[number];

function combine(
  a: Resources,
  b: Resources,
  amount: (a: number, b: number) => number,
  gpus: readonly Gpu[] = [],
): Resources {
  const result: Partial<Record<Amount, number>> & { GPUs?: readonly Gpu[] } = {};
  for (const key of AMOUNTS) {
    const value = amount(a[key] ?? 0, b[key] ?? 0);
    // CPU is counted in whole millicores, so that sums of decimals compare exactly.
    const exact = key === 'CPU' ? Math.round(value * 1000) / 1000 : value;
    if (exact !== 0) result[key] = exact;
  }
  if (gpus.length > 0) result.GPUs = gpus;
  return Object.freeze(result);
}

/** Tells one device from another: vendors number their own from 0. */
function isSameGpu(a: Gpu, b: Gpu): boolean {
  return a.Vendor === b.Vendor && a.Index === b.Index;
}

function without(a: Resources, b: Resources): readonly Gpu[] {
  const { GPUs: others = [] } = b;
  return (a.GPUs ?? []).filter((gpu) => !others.some((other) => isSameGpu(gpu, other)));
}

/** Devices of both; one that both name is there once. */
function together(a: Resources, b: Resources): readonly Gpu[] {
  return b.GPUs ? [...a.GPUs ?? [], ...without(b, a)] : a.GPUs ?? [];
}

/** The sum, amount by amount. */
export function addResources(a: Resources, b: Resources): Resources {
  return combine(a, b, (x, y) => x + y, together(a, b));
}

/** Never below zero. Devices that `b` names are taken from those of `a`. */
export function subtractResources(a: Resources, b: Resources): Resources {
  return combine(a, b, (x, y) => Math.max(0, x - y), without(a, b));
}

/** The larger, amount by amount. */
export function maxResources(a: Resources, b: Resources): Resources {
  return combine(a, b, Math.max, together(a, b));
}

/** Amounts only. */
export function minResources(a: Resources, b: Resources): Resources {
  return combine(a, b, Math.min);
}

/** Whether each amount of `a` is at most that of `limit`. */
export function fitsInto(a: Resources, limit: Resources): boolean {
  return AMOUNTS.every((key) => (a[key] ?? 0) <= (limit[key] ?? 0));
}

/** The amounts of `a` that exceed `limit`, by name, for messages. */
export function exceeding(a: Resources, limit: Resources): readonly Amount[] {
  return AMOUNTS.filter((key) => (a[key] ?? 0) > (limit[key] ?? 0));
}

const UNIT = /^([0-9.][0-9.,]*)([a-z]*)$/;
const EXPONENTS = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/**
 * Bytes of `512mb`, `1.5GiB`, `1,000k`: decimal units by default, binary with `i`; truncated.
 * @throws RangeError naming the text when it is no size or not below 2^64
 */
export function parseBytes(text: string): number {
  const match = UNIT.exec(text.toLowerCase().replace(/[ \n]/g, ''));
  const unit = match?.[2]?.replace(/b$/, '') ?? '';
  const binary = unit.endsWith('i');
  const exponent = EXPONENTS.indexOf(binary ? unit.slice(0, -1) : unit);
  const amount = match ? Number(match[1]!.replaceAll(',', '')) : NaN;
  if (Number.isNaN(amount) || exponent < 0 || (binary && exponent === 0)) {
    throw new RangeError(`"${text}" is not a size: write bytes or a unit such as 512Mb or 1Gi`);
  }
  const bytes = Math.trunc(amount * (binary ? 1024 : 1000) ** exponent);
  if (bytes >= 2 ** 64) throw new RangeError(`"${text}" is too large: sizes are below 2^64 bytes`);
  return bytes;
}

/** `64 MB` of bytes, in decimal units with up to four digits, for people. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit++;
  }
  return `${Number(amount.toPrecision(4))} ${units[unit]}`;
}

/** One amount of resources for people: memory and disk as sizes. */
export function amountText(key: Amount, value: number): string {
  return key === 'Memory' || key === 'Disk' ? sizeText(value) : String(value);
}

/**
 * Cores of `500m` or `0.5`, truncated to whole millicores. Negative values are read; validation refuses them.
 * @throws RangeError naming the text when it is no amount of CPU
 */
export function parseCpu(text: string): number {
  const clean = text.toLowerCase().replace(/[ \n]|(?<=[0-9])_(?=[0-9])/g, '');
  const millis = /^[+-]?[0-9]+m$/.test(clean)
    ? Number(clean.slice(0, -1))
    : /^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?$/.test(clean)
    ? Math.trunc(Number((Number(clean) * 1000).toPrecision(15)))
    : NaN;
  if (Number.isNaN(millis)) {
    throw new RangeError(`"${text}" is not an amount of CPU: write cores (0.5) or millicores (500m)`);
  }
  return millis / 1000;
}

/** @throws RangeError when the text is not an unsigned decimal integer */
export function parseGpu(text: string): number {
  const clean = text.replace(/[ \n]/g, '');
  if (!/^[0-9]{1,20}$/.test(clean) || BigInt(clean) >= 2n ** 64n) {
    throw new RangeError(`"${text}" is not a number of GPUs: write 0, 1, 2 …`);
  }
  return Number(clean);
}

const PARSERS: Readonly<Record<Amount, (text: string) => number>> = {
  CPU: parseCpu,
  Memory: parseBytes,
  Disk: parseBytes,
  GPU: parseGpu,
};

/** @throws RangeError of the first amount that does not parse */
export function parseResources(config: ResourcesConfig): Resources {
  const result: Partial<Record<Amount, number>> = {};
  for (const key of AMOUNTS) {
    const text = config[key];
    const value = text ? PARSERS[key](text) : 0;
    if (value !== 0) result[key] = value;
  }
  return Object.freeze(result);
}
