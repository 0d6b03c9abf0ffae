/**
 * The one error type that crosses rooms. The text reads `Cannot <do what> "<which>": <why>`; code, hint and details are
 * data, rendered once at the edge (REST body, wire reply or terminal). `cause` is always kept.
 */

/** HTTP status by code where the error sets none itself (rest-api.md 5.3); any other code is 500. */
const STATUS: Readonly<Record<string, number>> = {
  BadRequest: 400,
  ValidationError: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  ResourceInUse: 409,
  HandshakeRequired: 428,
  ResourceExhausted: 429,
  TooManyRequests: 429,
  NotImplemented: 501,
  ServiceUnavailable: 503,
};

/** What an error says beside its message. */
export interface ErrorOptions {
  /** Part of the program that speaks: `JobStore`, `NodesManager`, `APIServer`, `Bacalhau` … */
  component?: string;
  hint?: string;
  /** Overrides the status that the code implies. */
  status?: number;
  /** Whether the same request can succeed later. */
  retryable?: boolean;
  details?: Record<string, string>;
  cause?: unknown;
}

/** An error that a person or another program is told. */
export class BacalhauError extends Error {
  override readonly name = 'BacalhauError';
  readonly component: string;
  readonly hint: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string>>;

  /** @param code `NotFound`, `BadRequest`, `ValidationError` … (rest-api.md 5.3); peers switch on it. */
  constructor(readonly code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.component = options.component ?? 'Bacalhau';
    this.hint = options.hint ?? '';
    this.status = options.status ?? STATUS[code] ?? 500;
    this.retryable = options.retryable ?? false;
    this.details = Object.freeze({ ...options.details });
  }
}

/** Any thrown value as a {@link BacalhauError}; a foreign error becomes `InternalError` and keeps its text and cause. */
export function toBacalhauError(thrown: unknown): BacalhauError {
  if (thrown instanceof BacalhauError) return thrown;
  // What failed first is the cause; what failed while it was cleared away says less.
  if (thrown instanceof Error && 'suppressed' in thrown) return toBacalhauError(thrown.suppressed);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BacalhauError('InternalError', message, { cause: thrown });
}

/** A "no" as data: why a node was not chosen, a bid refused, a feature is unavailable (architecture.md section 3, promise 3). */
export interface Refusal {
  readonly code: string;
  /** One sentence, phrased "this node does not …" where a node speaks. */
  readonly reason: string;
  readonly hint: string;
  /** Whether waiting can help (busy now) or nothing will change (engine not installed). */
  readonly retryable: boolean;
  /** Part of the node that refuses, for the error code: `Docker`; default `Bidder`. */
  readonly component?: string;
  /** More about it, for the details of the event: `{ Image: 'ubuntu' }`. */
  readonly details?: Readonly<Record<string, string>>;
}
