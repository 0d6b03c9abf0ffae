/** Thrown values → the error body of rest-api.md 5.1. Everything foreign is a bare 500: its cause goes to the log only. */
import { BacalhauError } from '../../model/mod.ts';

export interface ErrorBody {
  readonly Status: number;
  readonly Message: string;
  readonly RequestID: string;
  readonly Code: string;
  readonly Component: string;
  readonly Hint?: string;
  readonly Details?: Readonly<Record<string, string>>;
}

export function errorBody(thrown: unknown, requestId: string): ErrorBody {
  const error = thrown instanceof BacalhauError
    ? thrown
    : new BacalhauError('InternalError', 'Internal server error', { component: 'Unknown' });
  return {
    Status: error.status,
    Message: error.message,
    RequestID: requestId,
    Code: error.code,
    Component: error.component,
    ...(error.hint ? { Hint: error.hint } : {}),
    ...(Object.keys(error.details).length > 0 ? { Details: error.details } : {}),
  };
}

/** A fault of the request itself: the original answers these with code `InternalError` and clients pass it on. */
export function requestError(message: string, status = 400, hint = ''): BacalhauError {
  return new BacalhauError('InternalError', message, { component: 'APIServer', status, hint });
}

export function unknownRoute(method: string, path: string): BacalhauError {
  return new BacalhauError('NotFound', `Cannot ${method} "${path}": this server has no such resource`, {
    component: 'APIServer',
    hint: 'The server may be older than your client, or run without the orchestrator role.',
    details: { cli_usage: 'Run "bacalhau agent version" to see the version of the server.' },
  });
}
