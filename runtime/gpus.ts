/**
 * The graphics cards of this machine, as the vendors' own tools list them (compute.md 13). A tool that is absent means
 * no cards of that vendor; one that fails or prints what cannot be read is a warning and no cards, never an error.
 */
import { findProgram, runTool, type ToolOutput } from './tool.ts';

export type GpuVendor = 'NVIDIA' | 'AMD/ATI' | 'Intel';

export interface FoundGpu {
  /** The vendor's own number of the card; not unique between vendors, and not stable over a reboot. */
  readonly index: number;
  readonly name: string;
  readonly vendor: GpuVendor;
  /** 0 where the card does not say (memory shared with the processor). */
  readonly memoryMiB: number;
  /** `0000:e9:00.0`, lower case; empty where the tool does not say. */
  readonly pciAddress: string;
  /** Stable name of the card, where the tool tells one: `GPU-8f2c…` */
  readonly uuid?: string;
}

export interface GpuOptions {
  /** Folders to search for the tools, in the form of the variable PATH, which is the default. */
  readonly path?: string;
  /** Time for each call of a tool; a driver that hangs must not keep the node from starting. Default 10 s. */
  readonly timeoutMs?: number;
  readonly warn?: (text: string) => void;
}

const MIB = 1024 * 1024;
const NVIDIA_FORMAT = '--format=csv,noheader,nounits';

/** Calls one tool of a vendor; the text that it printed is read by the caller. */
type Ask = (...args: readonly string[]) => Promise<ToolOutput>;

interface Vendor {
  readonly tool: string;
  readonly name: GpuVendor;
  find(ask: Ask): Promise<FoundGpu[]>;
}

const VENDORS: readonly Vendor[] = [
  { tool: 'nvidia-smi', name: 'NVIDIA', find: nvidia },
  { tool: 'rocm-smi', name: 'AMD/ATI', find: amd },
  { tool: 'xpu-smi', name: 'Intel', find: intel },
];

/** All cards, NVIDIA's first, then AMD's, then Intel's, each by index. Never rejects. */
export async function discoverGpus(options: GpuOptions = {}): Promise<readonly FoundGpu[]> {
  const found = await Promise.all(VENDORS.map((vendor) => cardsOf(vendor, options)));
  return found.flat();
}

async function cardsOf(vendor: Vendor, { path, timeoutMs = 10_000, warn }: GpuOptions): Promise<FoundGpu[]> {
  const program = findProgram(vendor.tool, path);
  if (!program) return [];
  try {
    const cards = await vendor.find((...args) => runTool(program, args, timeoutMs));
    return cards.sort((a, b) => a.index - b.index);
  } catch (error) {
    warn?.(`Cannot list ${vendor.name} GPUs with "${program}": ${(error as Error).message}`);
    return [];
  }
}

/** The documented call knows neither address nor uuid, so the richer one goes first; old drivers refuse it. */
async function nvidia(ask: Ask): Promise<FoundGpu[]> {
  const rich = await ask('--query-gpu=index,gpu_name,memory.total,pci.bus_id,uuid', NVIDIA_FORMAT);
  if (noNvidiaDevice(rich)) return [];
  const cards = rich.exitCode === 0 ? nvidiaTable(rich.stdout, 5) : null;
  if (cards) return cards;
  const plain = await ask('--query-gpu=index,gpu_name,memory.total', NVIDIA_FORMAT);
  if (noNvidiaDevice(plain)) return [];
  return nvidiaTable(succeeded(plain), 3) ?? unreadable(plain.stdout);
}

function noNvidiaDevice({ stdout, stderr }: ToolOutput): boolean {
  return /^No devices were found/im.test(stdout) || /^No devices were found/im.test(stderr);
}

/** Null when a line is none of that table. */
function nvidiaTable(text: string, columns: 3 | 5): FoundGpu[] | null {
  const cards: FoundGpu[] = [];
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const fields = line.split(',').map((field) => field.trim());
    const last = fields.splice(fields.length - (columns - 2));
    // What is left is the index and a name, in which a comma is not quoted.
    const [index = '', ...name] = fields;
    const [memory = '', address = '', uuid = ''] = last;
    if (!/^\d+$/.test(index) || name.length === 0 || last.length !== columns - 2) return null;
    if (!/^(\d+|\[?(N\/A|Not Supported|Unknown Error)\]?)$/i.test(memory)) return null;
    cards.push({
      index: Number(index),
      name: name.join(', '),
      vendor: 'NVIDIA',
      memoryMiB: /^\d/.test(memory) ? Number(memory) : 0,
      pciAddress: pciAddress(address),
      ...(uuid.startsWith('GPU-') && { uuid }),
    });
  }
  return cards;
}

async function amd(ask: Ask): Promise<FoundGpu[]> {
  const answer = await ask('--showproductname', '--showbus', '--showmeminfo', 'vram', '--json');
  const text = succeeded(answer);
  if (/^WARNING: No (AMD )?GPUs? (available|specified|detected)/im.test(text + answer.stderr)) return [];
  return Object.entries(json(text)).flatMap(([key, value]) => {
    const index = /^card(\d+)$/.exec(key)?.[1];
    if (index === undefined) return [];
    const card = lowerKeys(value);
    return [{
      index: Number(index),
      name: words(card['card series']) || words(card['card model']) || words(card['device name']) ||
        'AMD GPU',
      vendor: 'AMD/ATI' as const,
      memoryMiB: mebibytes(card['vram total memory (b)']),
      pciAddress: pciAddress(words(card['pci bus'])),
    }];
  });
}

async function intel(ask: Ask): Promise<FoundGpu[]> {
  const answer = await ask('discovery', '--json');
  const listing = json(answer.stdout);
  if (/no device/i.test(words(listing.error))) return [];
  succeeded(answer);
  if (!Array.isArray(listing.device_list)) return unreadable(answer.stdout);
  const listed = listing.device_list.map((each) => record(each));
  // The list has no memory sizes: each card is asked on its own, all at once.
  return await Promise.all(listed.map(async (card) => {
    if (typeof card.device_id !== 'number') return unreadable(answer.stdout);
    const about = json(succeeded(await ask('discovery', '--device', String(card.device_id), '--json')));
    const uuid = words(card.uuid);
    return {
      index: card.device_id,
      name: words(about.device_name) || words(card.device_name) || 'Intel GPU',
      vendor: 'Intel' as const,
      memoryMiB: mebibytes(about.memory_physical_size_byte),
      pciAddress: pciAddress(words(card.pci_bdf_address)),
      ...(uuid !== '' && { uuid }),
    };
  }));
}

function succeeded({ exitCode, stdout, stderr }: ToolOutput): string {
  if (exitCode === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).split('\n')[0]!.slice(0, 200);
  throw new Error(`it ended with ${exitCode ?? 'a signal'}${said ? `: ${said}` : ''}`);
}

function unreadable(text: string): never {
  throw new Error(`its output cannot be read: ${JSON.stringify(text.slice(0, 120))}`);
}

/** The JSON object in a tool's output; rocm-smi prints its warnings before it. */
function json(text: string): Record<string, unknown> {
  const start = text.indexOf('{');
  try {
    return record(JSON.parse(start < 0 ? text : text.slice(start)));
  } catch {
    return unreadable(text);
  }
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('not an object');
  }
  return value as Record<string, unknown>;
}

/** ROCm 6 writes `Card Series` where 5 wrote `Card series`. */
function lowerKeys(value: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record(value)).map(([key, each]) => [key.toLowerCase(), each]));
}

function words(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

function mebibytes(bytes: unknown): number {
  const amount = typeof bytes === 'number' ? bytes : words(bytes) === '' ? 0 : Number(bytes);
  if (!Number.isSafeInteger(amount) || amount < 0) throw new Error(`"${bytes}" is not an amount of memory`);
  return Math.floor(amount / MIB);
}

/** NVIDIA writes `00000000:3B:00.0`, the kernel's folders are named `0000:3b:00.0`. */
function pciAddress(text: string): string {
  return text.toLowerCase().replace(/^0{4}(?=[0-9a-f]{4}:)/, '');
}
