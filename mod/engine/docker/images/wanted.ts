/** What a job's image text asks for: a name with a tag, a name with a digest, or an image id. */
import { parseReference } from '../../../../runtime/docker/mod.ts';
import { imageError } from './image_error.ts';

export interface WantedImage {
  /** As the job has it. */
  readonly text: string;
  /** What an engine is asked for when the image is to be on this host already; never a guess by a prefix of an id. */
  readonly local: string;
  /** Short id (12 to 63 hexadecimal digits) that the text may also be. */
  readonly shortId?: string;
  /** Name without tag and digest; absent when the text is an id, which no registry knows. */
  readonly name?: string;
  readonly tag?: string;
  readonly digest?: string;
}

const FULL_ID = /^(?:sha256:)?([0-9a-f]{64})$/;
const SHORT_ID = /^[0-9a-f]{12,63}$/;

/** @throws BacalhauError `ImageInvalid` */
export function parseWanted(text: string): WantedImage {
  const id = FULL_ID.exec(text)?.[1];
  if (id !== undefined) return { text, local: `sha256:${id}` };
  try {
    const { familiar, tag, digest } = parseReference(text);
    const suffix = (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
    const name = familiar.slice(0, familiar.length - suffix.length);
    // As in `docker run`, a digest wins over a tag beside it.
    if (digest !== undefined) return { text, name, digest, local: `${name}@${digest}` };
    return {
      text,
      name,
      tag: tag ?? 'latest',
      local: `${name}:${tag ?? 'latest'}`,
      ...(SHORT_ID.test(text) && { shortId: text }),
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw imageError('ImageInvalid', text, error.message, { cause: error });
  }
}

/** The digests of `RepoDigests` that belong to this name: none unless the image came from (or went to) its registry. */
export function digestsOf(repoDigests: readonly string[] | null, name: string): string[] {
  return (repoDigests ?? []).map((each) => each.split('@') as [string, string])
    .filter(([repo]) => sameName(repo, name)).map(([, digest]) => digest);
}

/** podman writes `docker.io/library/ubuntu` where Docker writes `ubuntu`. */
function sameName(one: string, other: string): boolean {
  return one === other || parseReference(one).canonical === parseReference(other).canonical;
}
