/**
 * Which images this node pulled, and when a run last used each: only those may ever be pruned. One small JSON file,
 * replaced as a whole; an image is written down before it is pulled, so a crash leaves none that nobody remembers.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ContainedFiles } from '../../../../runtime/files/mod.ts';
import type { World } from '../../../../runtime/world.ts';

export interface PulledImage {
  /** `name@digest` (or `name:tag`) as it was pulled, and as it is removed. */
  readonly ref: string;
  /** `name:tag` of the job that wanted it; absent for one that named a digest. */
  readonly tagged?: string;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
}

const FILE = 'pulled_images.json';
/** Uses are written down at most this often for each image: ages are hours and days. */
const USE_STEP_MS = 60_000;

export class Ledger {
  readonly #images: Map<string, PulledImage>;
  #written: Promise<void> = Promise.resolve();
  #waiting = false;

  private constructor(
    private readonly world: World,
    private readonly directory: string | undefined,
    images: readonly PulledImage[],
  ) {
    this.#images = new Map(images.map((image) => [image.ref, image]));
  }

  /**
   * @param directory absent: remembered for the life of this process only
   * @throws Error when the file is there but cannot be read
   */
  static async open(world: World, directory: string | undefined): Promise<Ledger> {
    if (directory === undefined) return new Ledger(world, directory, []);
    const path = join(directory, FILE);
    try {
      return new Ledger(world, directory, parse(await readFile(path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Ledger(world, directory, []);
      throw new Error(`Cannot read the list of pulled images "${path}": ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Least recently used first. */
  list(): readonly PulledImage[] {
    return [...this.#images.values()].sort((a, b) => a.usedAt - b.usedAt);
  }

  /** What was pulled last for a tag. */
  pulledFor(tagged: string): string | undefined {
    return this.list().findLast((image) => image.tagged === tagged)?.ref;
  }

  /** Resolves when it is durable. */
  add(ref: string, tagged: string | undefined): Promise<void> {
    this.#images.set(ref, { ref, usedAt: this.#now(), ...(tagged !== undefined && { tagged }) });
    return this.#write();
  }

  /** A run uses the image now; nothing when it is not one of ours. Durable soon. */
  used(ref: string): void {
    const image = this.#images.get(ref);
    if (!image || this.#now() - image.usedAt < USE_STEP_MS) return;
    this.#images.set(ref, { ...image, usedAt: this.#now() });
    this.#write().catch(() => {
      // Only an age is lost; the next change writes it again and reports.
    });
  }

  forget(ref: string): Promise<void> {
    return this.#images.delete(ref) ? this.#write() : Promise.resolve();
  }

  /** Resolves when all changes so far are on the disk. */
  settled(): Promise<void> {
    return this.#written.catch(() => undefined);
  }

  #now(): number {
    return Number(this.world.now() / 1_000_000n);
  }

  /** One write at a time; those who come meanwhile share the next. */
  #write(): Promise<void> {
    const { directory } = this;
    if (directory === undefined || this.#waiting) return this.#written;
    this.#waiting = true;
    const next = async () => {
      this.#waiting = false;
      const text = JSON.stringify({ version: 1, images: this.list() }, null, 1);
      using files = new ContainedFiles(directory);
      await files.write(join(directory, FILE), `${text}\n`);
    };
    this.#written = this.#written.then(next, next);
    return this.#written;
  }
}

function parse(text: string): PulledImage[] {
  const { version, images } = JSON.parse(text) as { version?: unknown; images?: unknown };
  if (version !== 1 || !Array.isArray(images)) throw new Error('it is not of this version');
  return images.map((image: Partial<PulledImage>) => {
    const { ref, usedAt, tagged } = image;
    if (typeof ref !== 'string' || typeof usedAt !== 'number') throw new Error('an entry is not an image');
    return { ref, usedAt, ...(typeof tagged === 'string' && { tagged }) };
  });
}
