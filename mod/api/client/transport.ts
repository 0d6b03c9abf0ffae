/**
 * One HTTP exchange with the API: headers of every request, time limit, and every kind of failure as a `BacalhauError`
 * with a sentence that names the address (cli.md section 7).
 */
import process from 'node:process';
import { BacalhauError, type BuildVersion, parseJson, stringifyJson } from '../../model/mod.ts';
import { NoAnswer } from '../../../runtime/no_answer.ts';
import type { WebRequest } from '../../../runtime/web_request.ts';
import { realWorld } from '../../../runtime/world.ts';

/** Where the server is, and how this client appears to it. */
export interface Connection {
  /** `http://host:port`, no slash at the end. */
  readonly baseUrl: string;
  /** Build of this program, told to the server. */
  readonly version: BuildVersion;
  /** Value of the header `Authorization`. */
  readonly authorization?: string;
  /** Milliseconds until a request without an answer is given up; default 60,000. */
  readonly timeout?: number;
}

export interface ApiRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Begins with `/api/v1/`. */
  readonly path: string;
  /** Zero values (`''`, 0, false, undefined) are not sent. */
  readonly query?: Readonly<
    Record<string, string | number | bigint | boolean | readonly string[] | undefined>
  >;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Overrides the connection's. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT = 60_000;

export function requestHeaders({ version, authorization }: Connection): Record<string, string> {
  return {
    'X-Bacalhau-Git-Version': version.GitVersion,
    'X-Bacalhau-Git-Commit': version.GitCommit,
    'X-Bacalhau-Build-Date': version.BuildDate,
    'X-Bacalhau-Build-OS': version.GOOS,
    'X-Bacalhau-Arch': version.GOARCH,
    ...(authorization ? { Authorization: authorization } : {}),
  };
}

export function pathAndQuery({ path, query }: Pick<ApiRequest, 'path' | 'query'>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (Array.isArray(value)) { for (const each of value) parameters.append(name, each); }
    else if (value) parameters.append(name, String(value));
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}

/** The decoded body of a 200. @throws BacalhauError whatever else happens, the signal's reason when it was aborted */
export async function call(connection: Connection, request: ApiRequest): Promise<unknown> {
  const limit = new AbortController();
  using _timer = realWorld.after(
    request.timeout ?? connection.timeout ?? DEFAULT_TIMEOUT,
    () =>
      limit.abort(
        new BacalhauError('TimeOut', `Cannot get an answer from "${connection.baseUrl}": request timed out`),
      ),
  );
  const signal = request.signal ? AbortSignal.any([limit.signal, request.signal]) : limit.signal;
  const headers = requestHeaders(connection);
  if (request.body !== undefined) headers['Content-Type'] = 'application/json';
  try {
    const { status, text } = await exchange(connection.baseUrl + pathAndQuery(request), {
      method: request.method,
      headers,
      ...(request.body === undefined ? {} : { body: stringifyJson(request.body) }),
      signal,
    });
    if (status !== 200) throw answeredError(status, text, connection.baseUrl);
    return parseAnswer(text, connection.baseUrl);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof BacalhauError ? error : unreachable(connection.baseUrl, error);
  }
}

/** By `fetch` where no proxy is named: it reads those by rules of its own, but spares a client's start 10 ms of node:http. */
async function exchange(
  url: string,
  request: WebRequest & { signal: AbortSignal },
): Promise<{ status: number; text: string }> {
  if (!Object.keys(process.env).some((name) => /^(?:https?|all)_proxy$/i.test(name))) {
    const response = await fetch(url, request);
    return { status: response.status, text: await response.text() };
  }
  const { textOf, webRequest } = await import('../../../runtime/web_request.ts');
  const answer = await webRequest(url, request);
  return { status: answer.status, text: await textOf(answer) };
}

function parseAnswer(text: string, baseUrl: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new BacalhauError('InternalError', `Cannot read the answer of "${baseUrl}": it is not JSON`, {
      hint: 'Check that the address is that of a Bacalhau API.',
      cause,
    });
  }
}

const SIGN_IN =
  'Give valid credentials in BACALHAU_API_KEY, or in BACALHAU_API_USERNAME and BACALHAU_API_PASSWORD.';

/** What a server said with a status other than 200 (rest-api.md 5.1 and 2.2). */
export function answeredError(status: number, text: string, baseUrl: string): BacalhauError {
  let body: Partial<Record<'Message' | 'Error' | 'Code' | 'Component' | 'Hint' | 'RequestID', unknown>> = {};
  try {
    const value = parseJson(text);
    if (typeof value === 'object' && value !== null) body = value;
  } catch {
    // Not JSON: a proxy or another program answered; its text is quoted below.
  }
  const word = (value: unknown) => (typeof value === 'string' ? value : '');
  const message = word(body.Message) || word(body.Error);
  if (status === 401) {
    return new BacalhauError('Unauthorized', message || 'unauthorized', {
      status,
      hint: word(body.Hint) || SIGN_IN,
    });
  }
  const quoted = text.trim().slice(0, 200);
  return new BacalhauError(
    word(body.Code) || 'InternalError',
    message || `Cannot use the answer of "${baseUrl}": HTTP status ${status}${quoted ? `, "${quoted}"` : ''}`,
    {
      status,
      component: word(body.Component) || 'Bacalhau',
      hint: word(body.Hint),
      ...(word(body.RequestID) ? { details: { request_id: word(body.RequestID) } } : {}),
    },
  );
}

const START_OR_NAME = 'Start one with "bacalhau serve --orchestrator --compute" or "bacalhau devstack",\n' +
  'or name a running one with --api-host and --api-port, or BACALHAU_API_HOST and BACALHAU_API_PORT.';

/** No answer came at all. */
export function unreachable(url: string, cause: unknown, hint: string = START_OR_NAME): BacalhauError {
  const { route, why } = cause instanceof NoAnswer ? cause : new NoAnswer(`"${new URL(url).origin}"`, cause);
  return new BacalhauError('NetworkFailure', `Cannot reach the server at ${route}: ${why}`, {
    retryable: true,
    hint,
    cause,
  });
}
