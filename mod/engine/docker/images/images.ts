/**
 * Images of jobs: found at bid time on this host or at a registry, pinned to what was found, pulled when a run needs
 * them, and (where asked for) pruned. See README.md.
 */
import {
  type AuthConfig,
  type DistributionInspect,
  type Docker,
  DockerError,
  type ImageInspect,
  type Platform,
  registryAuth,
} from '../../../../runtime/docker/mod.ts';
import { realWorld, type World } from '../../../../runtime/world.ts';
import { BacalhauError, type Refusal, type StringMap } from '../../../model/mod.ts';
import { cannotAsk, imageError, imageFailure, refusalOf, temporary } from './image_error.ts';
import { Ledger } from './ledger.ts';
import { ManifestCache, type ManifestCacheOptions } from './manifest_cache.ts';
import { hostPlatform, isUnknown, platformText, runsOn } from './platform.ts';
import { prune, type Pruned, type PruneOptions } from './prune.ts';
import { abortable, type Progress, Pulls, type RetryOptions } from './pulls.ts';
import { digestsOf, parseWanted, type WantedImage } from './wanted.ts';

export const PULL_POLICIES = ['missing', 'always', 'never'] as const;
/** As of `docker run --pull`: `missing` uses what this host has, `always` follows the tag, `never` asks no registry. */
export type PullPolicy = (typeof PULL_POLICIES)[number];

/** When images are pulled, for how long manifests are believed, and when what was pulled goes again. */
export interface ImageOptions {
  readonly pullPolicy?: PullPolicy;
  readonly manifestCache?: ManifestCacheOptions;
  /** Folder for the list of images pulled here; without it that list ends with the process. */
  readonly directory?: string;
  /** Off while neither age nor size is given. */
  readonly prune?: PruneOptions;
  readonly retry?: RetryOptions;
  /** Least time between two lines of progress. Default 1 s. */
  readonly progressMs?: number;
  /** Credentials for the registry of an image; default those of this user ({@link registryAuth}). */
  readonly auth?: (ref: string) => Promise<AuthConfig | null>;
  readonly world?: World;
  readonly warn?: (text: string) => void;
}

/** Keys of what {@link Images.pin} gives. */
export const PINNED_DIGEST = 'docker.image.digest';
export const PINNED_ID = 'docker.image.id';

/** Where the image of a bid is; the digest is absent for local builds, and where an engine cannot ask registries. */
interface Found {
  readonly id?: string;
  readonly digest?: string;
}

const PRUNE_EVERY_MS = 600_000;
/** Results of checks that no pin has asked for yet, and images that were here a moment ago. */
const MAX_CHECKED = 100;
/** Between a bid and its run: what was here then is taken to be here still. */
const MOMENT_MS = 2_000;

export class Images {
  readonly #docker: Docker;
  readonly #options: ImageOptions;
  readonly #world: World;
  readonly #manifests: ManifestCache;
  readonly #pulls: Pulls;
  readonly #checked = new Map<string, Found>();
  /** By id. */
  readonly #seen = new Map<string, { readonly image: ImageInspect; readonly at: number }>();
  #host: Promise<Platform> | undefined;
  #ledger: Promise<Ledger> | undefined;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(docker: Docker, options: ImageOptions = {}) {
    this.#docker = docker;
    this.#options = options;
    this.#world = options.world ?? realWorld;
    this.#manifests = new ManifestCache(this.#world, options.manifestCache ?? {});
    this.#pulls = new Pulls(docker, {
      world: this.#world,
      auth: (ref) => this.#auth(ref),
      ...(options.retry && { retry: options.retry }),
      ...(options.progressMs !== undefined && { progressMs: options.progressMs }),
    });
    this.#schedule();
  }

  /** Whether this node could run the image: null, or why not. Rejects only when the signal fires. */
  async check(image: string, signal?: AbortSignal): Promise<Refusal | null> {
    try {
      const found = await this.#find(parseWanted(image), signal);
      remember(this.#checked, image, found);
      return null;
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = imageFailure(thrown, image);
      if (error instanceof BacalhauError) return refusalOf(error);
      throw error;
    }
  }

  /**
   * What a run is to keep to, whatever happens to the tag meanwhile: a digest, or the id of an image that is here.
   * Takes over what a {@link check} just found, so the two of one bid ask once.
   * @throws BacalhauError as a refused check
   */
  async pin(image: string, signal?: AbortSignal): Promise<StringMap> {
    const checked = this.#checked.get(image);
    this.#checked.delete(image);
    const { id, digest } = checked ??
      await this.#failing(image, signal, () => this.#find(parseWanted(image), signal));
    return {
      ...(digest !== undefined && { [PINNED_DIGEST]: digest }),
      ...(id !== undefined && { [PINNED_ID]: id }),
    };
  }

  /**
   * What {@link ensure} would return, from what a bid saw here a moment ago and without asking again; null when no bid
   * did. The image may be gone since: then `ensure` gets it back, or says why not.
   */
  async seen(image: string, pinned: StringMap): Promise<string | null> {
    const here = this.#seen.get(pinned[PINNED_ID] ?? '');
    if (!here || this.#world.elapsed() - here.at > MOMENT_MS) return null;
    const wanted = parseWanted(image);
    return await this.#use(here.image, wanted, pinned[PINNED_DIGEST] ?? wanted.digest);
  }

  /**
   * Makes the pinned image present, by a pull if need be.
   * @returns what a container is to be made of: `name@digest`, or the id of an image without digest
   * @throws BacalhauError with code, hint and `details.class`; the signal's reason when it fires
   */
  async ensure(image: string, pinned: StringMap, progress: Progress, signal: AbortSignal): Promise<string> {
    return await this.#failing(image, signal, async () => {
      const wanted = parseWanted(image);
      const digest = pinned[PINNED_DIGEST] ?? wanted.digest;
      const here = await this.#pinnedHere(wanted, pinned[PINNED_ID], digest, signal);
      if (here) return await this.#use(here, wanted, digest);
      return await this.#fetch(wanted, digest, progress, signal);
    }, pinned[PINNED_DIGEST] !== undefined);
  }

  /** One round of pruning, as the timer does it. @throws DockerError */
  async prune(): Promise<readonly Pruned[]> {
    const now = Number(this.#world.now() / 1_000_000n);
    return await prune(
      this.#docker,
      await this.#images(),
      this.#options.prune ?? {},
      now,
      (ref) => this.#pulls.has(ref),
    );
  }

  /** Ends pulls and pruning; resolves when the list of pulled images is on the disk. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#pulls.close();
    await (await this.#ledger)?.settled();
  }

  async #find(wanted: WantedImage, signal: AbortSignal | undefined): Promise<Found> {
    const policy = this.#options.pullPolicy ?? 'missing';
    const host = await abortable(this.#hostPlatform(), signal);
    let mismatch: BacalhauError | undefined;
    if (policy !== 'always' || wanted.name === undefined) {
      const here = await this.#local(wanted, signal);
      if (here) {
        mismatch = mismatchOf(wanted, here, host);
        if (!mismatch) {
          remember(this.#seen, here.Id, { image: here, at: this.#world.elapsed() });
          return found(here, wanted);
        }
      }
    }
    if (wanted.name === undefined || policy === 'never') throw mismatch ?? this.#absent(wanted);
    try {
      return await this.#atRegistry(wanted, host, policy === 'always', signal);
    } catch (error) {
      // The registry may know the name for other platforms only, or not at all: what is here says more.
      throw mismatch ?? error;
    }
  }

  async #atRegistry(
    wanted: WantedImage,
    host: Platform,
    fresh: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Found> {
    let manifest: DistributionInspect;
    try {
      manifest = await abortable(
        this.#manifests.get(wanted.local, () => this.#ask(wanted.local), fresh),
        signal,
      );
    } catch (error) {
      if (cannotAsk(error)) return {};
      const known = temporary(error) ? await this.#pulledBefore(wanted, host, signal) : null;
      if (known) return known;
      throw error;
    }
    const platforms = (manifest.Platforms ?? []).filter((platform) => !isUnknown(platform));
    if (platforms.length > 0 && !platforms.some((platform) => runsOn(platform, host))) {
      throw mismatchError(wanted, platforms, host);
    }
    return { digest: manifest.Descriptor.digest };
  }

  async #ask(ref: string): Promise<DistributionInspect> {
    return await this.#docker.images.distribution(ref, await this.#auth(ref));
  }

  /** A tag whose registry is away stands for what this node pulled for it last. */
  async #pulledBefore(
    wanted: WantedImage,
    host: Platform,
    signal: AbortSignal | undefined,
  ): Promise<Found | null> {
    const ref = (await this.#images()).pulledFor(wanted.local);
    const image = ref === undefined ? null : await this.#inspect(ref, signal);
    return image && !mismatchOf(wanted, image, host) ? found(image, wanted) : null;
  }

  async #pinnedHere(
    wanted: WantedImage,
    id: string | undefined,
    digest: string | undefined,
    signal: AbortSignal,
  ): Promise<ImageInspect | null> {
    if (id !== undefined) {
      const here = await this.#inspect(id, signal);
      if (here) return here;
      if (digest === undefined) {
        const why = `the image ${id}, which was here at bid time, has been removed and is in no registry`;
        throw imageError('ImageNotFound', wanted.text, why, { class: 'infrastructure' });
      }
    }
    if (digest !== undefined) return await this.#byDigest(wanted, digest, signal);
    return this.#options.pullPolicy === 'always' ? null : await this.#local(wanted, signal);
  }

  async #fetch(
    wanted: WantedImage,
    digest: string | undefined,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<string> {
    if (wanted.name === undefined || this.#options.pullPolicy === 'never') throw this.#absent(wanted);
    const host = await abortable(this.#hostPlatform(), signal);
    const ref = digest === undefined ? wanted.local : `${wanted.name}@${digest}`;
    const ledger = await this.#images();
    const had = digest === undefined && (await this.#inspect(ref, signal)) !== null;
    // A tag that was here before is somebody's own; only what comes by this pull may be pruned one day.
    const before = () => had ? Promise.resolve() : ledger.add(ref, wanted.digest ? undefined : wanted.local);
    const request = { ref, image: wanted.text, platform: platformText(host) };
    await this.#pulls.pull(request, before, progress, signal);
    const image = await this.#inspect(ref, signal);
    if (!image) throw imageError('ImageNotFound', wanted.text, 'it was removed as soon as it was pulled');
    const mismatch = mismatchOf(wanted, image, host);
    if (mismatch) throw mismatch;
    return this.#use(image, wanted, digest);
  }

  async #use(image: ImageInspect, wanted: WantedImage, digest: string | undefined): Promise<string> {
    const ledger = await this.#images();
    const known = wanted.name === undefined ? [] : digestsOf(image.RepoDigests, wanted.name);
    const own = digest === undefined ? known[0] : known.find((each) => each === digest);
    const ref = own === undefined ? image.Id : `${wanted.name}@${own}`;
    ledger.used(ref);
    ledger.used(wanted.local);
    return ref;
  }

  /** The image that the reference names on this host: by name, by digest of its registry, or by id. */
  async #local(wanted: WantedImage, signal: AbortSignal | undefined): Promise<ImageInspect | null> {
    if (wanted.digest !== undefined) return await this.#byDigest(wanted, wanted.digest, signal);
    const named = await this.#inspect(wanted.local, signal);
    if (named || wanted.shortId === undefined) return named;
    const byId = await this.#inspect(wanted.shortId, signal);
    return byId?.Id.replace(/^sha256:/, '').startsWith(wanted.shortId) ? byId : null;
  }

  async #byDigest(
    { name }: WantedImage,
    digest: string,
    signal: AbortSignal | undefined,
  ): Promise<ImageInspect | null> {
    const named = name === undefined ? null : await this.#inspect(`${name}@${digest}`, signal);
    if (named) return named;
    const byId = await this.#inspect(digest, signal);
    return byId?.Id === digest ? byId : null;
  }

  async #inspect(ref: string, signal: AbortSignal | undefined): Promise<ImageInspect | null> {
    try {
      return await this.#docker.images.inspect(ref, signal);
    } catch (error) {
      if (error instanceof DockerError && ['ImageNotFound', 'NotFound'].includes(error.code)) return null;
      throw error;
    }
  }

  #absent(wanted: WantedImage): BacalhauError {
    if (wanted.name === undefined) {
      return imageError('ImageNotFound', wanted.text, 'no image with this id is on this node');
    }
    return imageError('ImageNotFound', wanted.text, 'it is not on this node, which never pulls images', {
      class: 'infrastructure',
      hint: 'Pull or build it on the node, or allow pulls in its configuration (pull policy).',
    });
  }

  /** Errors of the engine as errors about this image; a signal's reason passes. */
  async #failing<T>(
    image: string,
    signal: AbortSignal | undefined,
    step: () => Promise<T>,
    wasFound = false,
  ): Promise<T> {
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      // What was there at bid time is not the user's mistake, even if the registry has lost it since.
      throw imageFailure(error, image, wasFound ? { class: 'infrastructure' } : {});
    }
  }

  #auth(ref: string): Promise<AuthConfig | null> {
    return (this.#options.auth ?? registryAuth)(ref);
  }

  #hostPlatform(): Promise<Platform> {
    const asked = this.#host ??= hostPlatform(this.#docker);
    asked.catch(() => {
      // An engine that is away is asked again the next time.
      if (this.#host === asked) this.#host = undefined;
    });
    return asked;
  }

  #images(): Promise<Ledger> {
    const { directory, warn } = this.#options;
    return this.#ledger ??= Ledger.open(this.#world, directory).catch((error: Error) => {
      warn?.(`${error.message}; images pulled before are not pruned`);
      return Ledger.open(this.#world, undefined);
    });
  }

  #schedule(): void {
    const { maxAgeMs, maxBytes, everyMs = PRUNE_EVERY_MS } = this.#options.prune ?? {};
    if (this.#closed || (maxAgeMs === undefined && maxBytes === undefined)) return;
    this.#timer = this.#world.after(everyMs, () => {
      this.prune()
        .catch((error: Error) => this.#options.warn?.(`Cannot prune images: ${error.message}`))
        .finally(() => this.#schedule());
    });
  }
}

/** As the newest of at most {@link MAX_CHECKED}. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_CHECKED) map.delete(map.keys().next().value!);
}

function found(image: ImageInspect, { name }: WantedImage): Found {
  const digest = name === undefined ? undefined : digestsOf(image.RepoDigests, name)[0];
  return { id: image.Id, ...(digest !== undefined && { digest }) };
}

function mismatchOf(wanted: WantedImage, image: ImageInspect, host: Platform): BacalhauError | undefined {
  const platform = {
    os: image.Os,
    architecture: image.Architecture,
    ...(image.Variant !== undefined && { variant: image.Variant }),
  };
  if (isUnknown(platform) || runsOn(platform, host)) return undefined;
  return mismatchError(wanted, [platform], host);
}

function mismatchError(wanted: WantedImage, platforms: readonly Platform[], host: Platform): BacalhauError {
  const names = [...new Set(platforms.map(platformText))].sort().join(', ');
  const why = `it is for ${names}, this node runs ${platformText(host)}`;
  return imageError('ImagePlatformMismatch', wanted.text, why);
}
