/**
 * Serves the archives of one folder over HTTP: GET and HEAD of `/<name>.tar.gz`, whole or one range. Nothing else is
 * readable: no listing, no sub-folders, no links, no other names.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export function resultServer(folder: string): Server {
  return createServer((request, response) => {
    answer(folder, request, response).catch(() => {
      // Reading failed or the client left in the middle; headers may be out, so all that is left is to cut.
      if (response.headersSent) response.destroy();
      else end(response, 500, 'the result cannot be read');
    });
  });
}

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return end(response, 405, 'only GET and HEAD');
  }
  const [, name] = /^\/([A-Za-z0-9_-][A-Za-z0-9._-]*\.tar\.gz)(?:\?.*)?$/.exec(request.url ?? '') ?? [];
  const file = name === undefined ? null : await openFile(join(folder, name));
  if (file === null) return end(response, 404, 'there is no such result');
  try {
    const { size, mtime } = await file.stat();
    response.setHeader('Content-Type', 'application/gzip');
    response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('Last-Modified', mtime.toUTCString());
    const range = readRange(request.headers.range, size);
    if (range === 'unsatisfiable') {
      response.setHeader('Content-Range', `bytes */${size}`);
      return end(response, 416, 'the range lies outside the result');
    }
    const { start, end: last } = range ?? { start: 0, end: size - 1 };
    response.statusCode = range ? 206 : 200;
    if (range) response.setHeader('Content-Range', `bytes ${start}-${last}/${size}`);
    response.setHeader('Content-Length', last - start + 1);
    if (request.method === 'HEAD' || size === 0) response.end();
    else await pipeline(file.createReadStream({ start, end: last, autoClose: false }), response);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle | null> {
  try {
    const file = await open(
      path,
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return null;
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EMLINK', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return null;
    }
    throw error;
  }
}

interface Range {
  readonly start: number;
  /** Included. */
  readonly end: number;
}

/** Null for the whole: no range, several ranges, or a header that is none (RFC 9110, 14.2). */
function readRange(header: string | undefined, size: number): Range | 'unsatisfiable' | null {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return null;
  if (from === '') {
    const start = Math.max(size - Number(to), 0);
    return Number(to) === 0 || size === 0 ? 'unsatisfiable' : { start, end: size - 1 };
  }
  const start = Number(from);
  if (to !== '' && Number(to) < start) return null;
  return start >= size
    ? 'unsatisfiable'
    : { start, end: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
}

function end(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}
