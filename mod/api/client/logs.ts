/** Log streams over WebSocket (rest-api.md section 8), as an async iterator that holds the sender back when it is full. */
import { WebSocket } from 'ws';
import { BacalhauError, parseJson } from '../../model/mod.ts';
import { noAnswer, tunnelTo } from '../../../runtime/web_request.ts';
import {
  answeredError,
  type ApiRequest,
  type Connection,
  pathAndQuery,
  requestHeaders,
  unreachable,
} from './transport.ts';

/** A piece of output. */
export interface LogChunk {
  /** 1 stdout, 2 stderr. */
  readonly type: 1 | 2;
  readonly text: string;
}

const NORMAL_CLOSURE = 1000;
/** Chunks waiting for the reader before the socket is paused. */
const HIGH_WATER = 256;

/** @throws BacalhauError of an error frame, a refused handshake or a broken connection */
export async function* streamLogs(
  connection: Connection,
  request: Pick<ApiRequest, 'path' | 'query'>,
  signal?: AbortSignal,
): AsyncGenerator<LogChunk> {
  const url = connection.baseUrl.replace(/^http/, 'ws') + pathAndQuery(request);
  const failed = (error: unknown) => unreachable(connection.baseUrl, noAnswer(new URL(url), error));
  const tunnel = await tunnelTo(new URL(url), signal).catch((error) => {
    throw signal?.aborted ? error : failed(error);
  });
  const socket = new WebSocket(url, {
    headers: requestHeaders(connection),
    perMessageDeflate: false,
    ...(tunnel ? { createConnection: () => tunnel } : {}),
  });
  const waiting: LogChunk[] = [];
  let end: { readonly error?: BacalhauError } | undefined;
  let wake = () => {};
  const finish = (error?: BacalhauError) => {
    end ??= error ? { error } : {};
    wake();
  };

  socket.on('message', (data) => {
    const chunk = readFrame(String(data));
    if (chunk instanceof BacalhauError) return finish(chunk);
    waiting.push(chunk);
    if (waiting.length >= HIGH_WATER) socket.pause();
    wake();
  });
  socket.on('unexpected-response', (_request, response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => text += part);
    response.on('end', () => finish(answeredError(response.statusCode ?? 0, text, connection.baseUrl)));
  });
  socket.on('error', (error) => finish(failed(error)));
  socket.on(
    'close',
    (code) => finish(code === NORMAL_CLOSURE ? undefined : closed(connection.baseUrl, code)),
  );
  const onAbort = () => finish();
  if (signal?.aborted) finish();
  signal?.addEventListener('abort', onAbort, { once: true });

  try {
    while (true) {
      while (waiting.length > 0 && !signal?.aborted) yield waiting.shift()!;
      socket.resume();
      if (end?.error) throw end.error;
      if (end) return;
      await new Promise<void>((resolve) => wake = resolve);
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    // A handshake under way cannot be closed politely; `error` is heard above and means nothing any more.
    if (socket.readyState === WebSocket.OPEN) socket.close(NORMAL_CLOSURE);
    else if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
  }
}

function readFrame(text: string): LogChunk | BacalhauError {
  const frame = parseJson(text) as { error?: unknown; value?: { Type?: unknown; Line?: unknown } };
  if (frame.error) return new BacalhauError('InternalError', `Cannot read the log: ${frame.error}`);
  return { type: frame.value?.Type === 2 ? 2 : 1, text: String(frame.value?.Line ?? '') };
}

function closed(baseUrl: string, code: number): BacalhauError {
  return new BacalhauError(
    'NetworkFailure',
    `Cannot read the log to its end: the server at "${baseUrl}" closed the stream (code ${code})`,
    { retryable: true, hint: 'Run the command again: the log is kept on the node.' },
  );
}
