/** What went wrong with an engine, typed by what the engine said (reference executors.md section 10). */

/** What failed, for a program to decide by. */
export type DockerErrorCode =
  | 'ContainerNotFound'
  | 'ImageNotFound'
  /** The reference cannot be parsed. */
  | 'ImageInvalid'
  | 'NotFound'
  /** The request makes no sense to the engine (HTTP 400). */
  | 'BadRequest'
  /** A name in use, or a state in which that cannot be done. */
  | 'Conflict'
  | 'Unauthorized'
  | 'Forbidden'
  /** The registry wants fewer requests. */
  | 'RateLimited'
  /** Engine or registry cannot be reached. */
  | 'Unavailable'
  | 'Deadline'
  | 'Cancelled'
  | 'NotImplemented'
  /** A stream ended in the middle of something. */
  | 'DataLoss'
  /** Credentials or endpoint are configured in a way that cannot work. */
  | 'ConfigInvalid'
  /** The engine failed by itself (HTTP 500). */
  | 'SystemError'
  | 'UnknownError';

const RETRYABLE: readonly DockerErrorCode[] = ['Unavailable', 'Deadline', 'RateLimited'];

export interface DockerErrorOptions {
  /** HTTP status of the answer; absent when there was none. */
  readonly status?: number | undefined;
  /** Container, image, network … that the call was about. */
  readonly subject?: string | undefined;
  readonly cause?: unknown;
}

/** The message is the engine's own where it said something. */
export class DockerError extends Error {
  override readonly name = 'DockerError';
  readonly status?: number;
  readonly subject?: string;

  constructor(readonly code: DockerErrorCode, message: string, options: DockerErrorOptions = {}) {
    super(bounded(message), options.cause === undefined ? undefined : { cause: options.cause });
    if (options.status !== undefined) this.status = options.status;
    if (options.subject !== undefined) this.subject = options.subject;
  }

  /** Whether the same call can succeed later. */
  get retryable(): boolean {
    return RETRYABLE.includes(this.code);
  }
}

/** An engine quotes what a job gives it, of any length; the reason is at the end, what was tried at the beginning. */
const MAX_MESSAGE = 4096;

function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  return `${message.slice(0, MAX_MESSAGE / 2)} … ${message.slice(-MAX_MESSAGE / 2)}`;
}

/** What registries and the engine's parts say in texts, whatever status carries them; the first match decides. */
const BY_TEXT: readonly (readonly [RegExp, DockerErrorCode])[] = [
  [/toomanyrequests|too many requests|rate limit/i, 'RateLimited'],
  // Podman says it with status 500.
  [
    /the (?:container )?name .* is (?:already )?in use|can only \w+ running|container state improper/i,
    'Conflict',
  ],
  [/no such container|no container with name or id/i, 'ContainerNotFound'],
  [/invalid reference format|invalid repository name|repository name must be/i, 'ImageInvalid'],
  [
    /no such image|manifest unknown|manifest for \S+ not found|name unknown|pull access denied|image not known/i,
    'ImageNotFound',
  ],
  [
    /unauthorized|authentication required|no basic auth credentials|incorrect username or password/i,
    'Unauthorized',
  ],
  [/requested access to the resource is denied|denied: /i, 'Forbidden'],
];

/** The call is unknown, not what it is about: Docker's answer and podman's. */
const NO_SUCH_CALL = /^(?:404 )?(?:page )?not found$/i;

/** Signs of a registry (or another host that the engine asks) that is away; they come with HTTP 500. */
const AWAY =
  /dial tcp|i\/o timeout|no such host|connection refused|connection reset|tls handshake timeout|client\.timeout|request canceled while waiting|unexpected eof|service unavailable|bad gateway|gateway timeout/i;

const BY_STATUS: Readonly<Record<number, DockerErrorCode>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  429: 'RateLimited',
  501: 'NotImplemented',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Deadline',
};

/** An answer of the engine: an HTTP error (`status`), or an error line in a stream (no status). */
export function errorOfAnswer(message: string, status?: number, subject?: string): DockerError {
  const text = bounded(message);
  return new DockerError(codeOf(text, status), text, { status, subject });
}

function codeOf(message: string, status: number | undefined): DockerErrorCode {
  // A conflict may quote any text; the rest of the statuses say less than their texts do.
  if (status === 409) return 'Conflict';
  if (status === 404 && NO_SUCH_CALL.test(message)) return 'NotImplemented';
  const told = BY_TEXT.find(([pattern]) => pattern.test(message));
  if (told) return told[1];
  const byStatus = status === undefined ? undefined : BY_STATUS[status];
  if (byStatus) return byStatus;
  if (AWAY.test(message)) return 'Unavailable';
  return status === 500 || status === undefined ? 'SystemError' : 'UnknownError';
}

const FORBIDDEN = ['EACCES', 'EPERM'];

/** A failure of the connection itself. `where` names the endpoint as a person would write it. */
export function errorOfConnection(error: unknown, where: string, subject?: string): DockerError {
  if (error instanceof DockerError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const text = message || code || String(error);
  const options = { subject, cause: error };
  if (code !== undefined && FORBIDDEN.includes(code)) {
    return new DockerError(
      'Forbidden',
      `Cannot use the Docker engine "${where}": permission denied`,
      options,
    );
  }
  return new DockerError('Unavailable', `Cannot reach the Docker engine "${where}": ${text}`, options);
}

/** The error for a call whose signal fired: `Deadline` when a time limit fired it, else `Cancelled`. */
export function errorOfAbort(signal: AbortSignal, subject?: string): DockerError {
  const reason: unknown = signal.reason;
  if (reason instanceof DockerError) return reason;
  const timeout = reason instanceof Error && reason.name === 'TimeoutError';
  return timeout
    ? new DockerError('Deadline', 'the time limit of the call has passed', { subject, cause: reason })
    : new DockerError('Cancelled', 'the call was cancelled', { subject, cause: reason });
}
