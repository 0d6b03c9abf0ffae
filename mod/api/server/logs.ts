/**
 * `GET /api/v1/orchestrator/jobs/{id}/logs` as a WebSocket (rest-api.md section 8). Everything after the handshake is told
 * in the stream: one text frame per piece of output, an error frame when reading fails, then a close frame 1000.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { BacalhauError } from '../../model/mod.ts';
import type { JobsBackend } from './backend.ts';
import { Query } from './query.ts';

const PATH = /^\/api\/v1\/orchestrator\/jobs\/([^/]+)\/logs$/;
const NORMAL_CLOSURE = 1000;
/** Bytes waiting for a slow reader before more is read from the backend. */
const HIGH_WATER = 1 << 20;

/** The job named in the path of a log stream, or undefined for any other path. */
export function logStreamJob(url: string): string | undefined {
  const encoded = PATH.exec(url.split('?', 1)[0]!)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    // Not an escape sequence after all: the text names the job as it is.
    return encoded;
  }
}

function send(socket: WebSocket, frame: unknown): Promise<void> | undefined {
  const text = `${JSON.stringify(frame)}\n`;
  if (socket.bufferedAmount < HIGH_WATER) {
    socket.send(text);
    return undefined;
  }
  return new Promise((resolve, reject) => socket.send(text, (error) => error ? reject(error) : resolve()));
}

/** Streams until the backend is done or the client is gone; never throws. */
export async function streamLogs(
  socket: WebSocket,
  request: IncomingMessage,
  ref: string,
  jobs: JobsBackend,
  onError: (error: unknown) => void,
): Promise<void> {
  const gone = new AbortController();
  socket.on('close', () => gone.abort());
  socket.on('error', () => gone.abort());
  try {
    const query = new Query(request.url ?? '');
    const chunks = jobs.logs(ref, {
      namespace: query.text('namespace'),
      executionId: query.text('execution_id'),
      ...query.version('job_version'),
      tail: query.bool('tail'),
      ...(query.has('tail_lines') ? { tailLines: query.uint32('tail_lines') } : {}),
      follow: query.bool('follow'),
    }, gone.signal);
    for await (const { Type, Line } of chunks) {
      if (gone.signal.aborted) return;
      await send(socket, { value: { Type, Line } });
    }
  } catch (error) {
    if (gone.signal.aborted) return;
    if (!(error instanceof BacalhauError)) onError(error);
    const text = error instanceof BacalhauError
      ? [error.message, error.hint].filter(Boolean).join('. ')
      : 'Internal server error';
    await send(socket, { error: text, value: { Type: 0, Line: '' } });
  } finally {
    if (socket.readyState === socket.OPEN) socket.close(NORMAL_CLOSURE);
  }
}
