/**
 * Why an image cannot be used, as errors with code, hint and class (executors.md 10). At bid time each is shown as a
 * refusal: a node that lacks an image says nothing about the others, which may have it locally or may log in.
 */
import { DockerError } from '../../../../runtime/docker/mod.ts';
import { BacalhauError, type Refusal } from '../../../model/mod.ts';

export type ImageErrorCode =
  | 'ImageNotFound'
  | 'ImageInvalid'
  | 'ImagePlatformMismatch'
  | 'Unauthorized'
  | 'Forbidden'
  | 'RateLimited'
  | 'Unavailable'
  | 'Deadline'
  | 'SystemError';

const LOGIN =
  'log this node in to its registry (docker login, or DOCKER_USERNAME and DOCKER_PASSWORD for Docker Hub)';

const HINTS: Readonly<Record<ImageErrorCode, string>> = {
  ImageNotFound: `Check the name of the image; if it is private, ${LOGIN}.`,
  ImageInvalid: 'Write an image as name, name:tag or name@sha256:digest, in lower case.',
  ImagePlatformMismatch:
    "Build the image for this platform, too, or choose nodes of the image's platform by a constraint.",
  Unauthorized: `The registry wants (other) credentials: ${LOGIN}.`,
  Forbidden: `These credentials may not read the image: ${LOGIN}.`,
  RateLimited: `Wait, or ${LOGIN}, which raises the limit; a local mirror avoids it.`,
  Unavailable: "Check that this node can reach the image's registry.",
  Deadline: "Check that this node can reach the image's registry.",
  SystemError: 'The log of the Docker engine says more.',
};

const RETRYABLE: readonly string[] = ['RateLimited', 'Unavailable', 'Deadline'];

export interface ImageErrorOptions {
  /** `user` when no node could do better; by default for names that are invalid or found nowhere. */
  readonly class?: 'user' | 'infrastructure';
  readonly hint?: string;
  readonly cause?: unknown;
}

/** @param why follows `Cannot use image "<image>": ` */
export function imageError(
  code: ImageErrorCode,
  image: string,
  why: string,
  options: ImageErrorOptions = {},
): BacalhauError {
  const user = code === 'ImageInvalid' || code === 'ImageNotFound';
  return new BacalhauError(code, `Cannot use image "${image}": ${why}`, {
    component: 'Docker',
    hint: options.hint ?? HINTS[code],
    retryable: RETRYABLE.includes(code),
    details: { Image: image, class: options.class ?? (user ? 'user' : 'infrastructure') },
    cause: options.cause,
  });
}

/** What an engine, or through it a registry, said about an image. Anything but a {@link DockerError} passes as it is. */
export function imageFailure(thrown: unknown, image: string, options: ImageErrorOptions = {}): unknown {
  if (!(thrown instanceof DockerError)) return thrown;
  if (thrown.code === 'Cancelled') return thrown;
  const all = { ...options, cause: thrown };
  if (engineAway(thrown)) {
    return imageError('Unavailable', image, thrown.message, {
      ...all,
      hint: 'Check that the Docker engine of this node runs and that the node may use it.',
    });
  }
  const code = thrown.code === 'NotFound' ? 'ImageNotFound' : thrown.code;
  if (temporary(thrown) && !(code in HINTS)) return imageError('Unavailable', image, thrown.message, all);
  const why = /^manifest unknown\b/i.test(thrown.message)
    ? 'its registry has no such image (manifest unknown)'
    : thrown.message;
  return imageError(code in HINTS ? code as ImageErrorCode : 'SystemError', image, why, all);
}

/** The engine itself cannot be reached, as opposed to the registry that it asks. */
export function engineAway(error: DockerError): boolean {
  return error.code === 'Unavailable' && error.cause !== undefined;
}

/** Whether a registry may well answer the same request later. */
export function temporary(error: unknown): boolean {
  if (!(error instanceof DockerError) || engineAway(error)) return false;
  return RETRYABLE.includes(error.code) || /unexpected HTTP status: 5\d\d|\bEOF$/i.test(error.message);
}

/** The engine has no call for asking a registry (podman): its router does not know the path. */
export function cannotAsk(error: unknown): boolean {
  return error instanceof DockerError &&
    (error.code === 'NotImplemented' ||
      (error.status === 404 && /^(page )?not found\s*$/i.test(error.message)));
}

export function refusalOf(error: BacalhauError): Refusal {
  const reason = error.message.replace(/^Cannot use/, 'this node cannot use');
  const { Image = '' } = error.details;
  const { code, hint, retryable, component } = error;
  return { code, reason, hint, retryable, component, details: { Image } };
}
