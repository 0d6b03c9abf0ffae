/**
 * Input from a web address (job-spec.md 4.3): one file in a folder of its own, named after the address. A download goes to
 * a temporary name, is synced and renamed, so a file under its own name is whole.
 *
 * Tried again: no answer, an answer cut short, 408, 429 and 5xx. Any other refusal is the spec's fault and final.
 */
import type { FileHandle } from 'node:fs/promises';
import { STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { type WebAnswer, webRequest } from '../../runtime/web_request.ts';
import { realWorld, type World } from '../../runtime/world.ts';
import { BacalhauError, type SpecConfig, toBacalhauError } from '../model/mod.ts';
import { fileNameOf } from './file_name.ts';
import { asRefusal, invalid, isWritable, textParam } from './params.ts';
import type { DiskRoom } from './room.ts';
import type { Source } from './source.ts';

/** Times, tries and sizes of downloads. */
export interface UrlOptions {
  /** For one try, the body included (`InputSources.ReadTimeout`). Default 5 min. */
  readonly readTimeoutMs?: number;
  /** Tries after the first (`InputSources.MaxRetryCount`). Default 3. */
  readonly maxRetryCount?: number;
  /** A longer body is refused. Default: no limit. */
  readonly maxBytes?: number;
  readonly world?: World;
}

/** As servers take them. */
const MAX_URL = 8192;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 1000;

/** Downloads from `http` and `https`; each hop is decided on by the egress policy. */
export function urlSource(options: UrlOptions = {}): Source {
  const { readTimeoutMs = 300_000, maxRetryCount = 3, maxBytes = Infinity, world = realWorld } = options;

  /** Asks until there is an answer that counts; `use` reads it within the time of the try. */
  async function ask<T>(
    method: 'GET' | 'HEAD',
    address: Address,
    signal: AbortSignal,
    use: (answer: WebAnswer, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 0;; attempt++) {
      const limit = new AbortController();
      const timer = world.after(
        readTimeoutMs,
        () => limit.abort(new Error(`no end after ${readTimeoutMs} ms`)),
      );
      const either = AbortSignal.any([signal, limit.signal]);
      try {
        const answer = await webRequest(address.url, { method, headers: address.headers, signal: either });
        try {
          if (answer.status >= 200 && answer.status < 300) return await use(answer, either);
          throw refused(address, answer);
        } finally {
          answer.discard();
        }
      } catch (thrown) {
        signal.throwIfAborted();
        const error = failure(address, limit.signal.aborted ? limit.signal.reason : thrown);
        if (!error.retryable || attempt >= maxRetryCount) throw error;
      } finally {
        timer[Symbol.dispose]();
      }
      await world.sleep(Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS), signal);
    }
  }

  /** Bytes that the server promises, null when it does not say. */
  async function promised(
    method: 'GET' | 'HEAD',
    address: Address,
    signal: AbortSignal,
  ): Promise<number | null> {
    return await ask(method, address, signal, async (answer) => lengthOf(answer));
  }

  return {
    type: 'urlDownload',
    available: () => Promise.resolve(null),
    check: (spec) => asRefusal(() => void readAddress(spec)),
    /** 0 when the server does not tell. */
    async size(spec, signal) {
      const address = readAddress(spec);
      // Many servers refuse HEAD or answer it without a length; what GET says counts.
      const head = await promised('HEAD', address, signal).catch(() => null);
      signal.throwIfAborted();
      return head ?? await promised('GET', address, signal) ?? 0;
    },
    async prepare({ spec, directory, room, signal }) {
      const address = readAddress(spec);
      using files = new ContainedFiles(directory);
      await ask('GET', address, signal, async (answer, either) => {
        const name = fileNameOf(answer.url.href, {
          redirected: answer.url.href !== address.url,
          disposition: answer.headers['content-disposition'] ?? null,
        }) ?? world.uuid();
        await save(
          files,
          address,
          answer,
          join(directory, `.${world.uuid()}.tmp`),
          join(directory, name),
          { maxBytes, room },
          either,
        );
      });
      return { hostPath: directory, readOnly: !isWritable(spec) };
    },
  };
}

interface Address {
  readonly url: string;
  /** For messages: without the password. */
  readonly shown: string;
  readonly headers: Record<string, string>;
}

/** @throws BacalhauError */
function readAddress(spec: SpecConfig): Address {
  const text = textParam(spec, 'URL').replaceAll(/^['"\s]+|(?<!['"\s])['"\s]+$/g, '');
  const hint = 'Give Params.URL as "https://host/path".';
  if (text.length > MAX_URL) {
    throw invalid(`Cannot use a URL input: its URL is longer than ${MAX_URL} characters`, hint);
  }
  if (text === '') throw invalid('Cannot use a URL input: it has no URL', hint);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) throw invalid(`Cannot use the URL "${text}": it is not a URL`, hint);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(`Cannot use the URL "${text}": "${url.protocol}" is neither http: nor https:`, hint);
  }
  if (!/^[^:]+:\/\/[^/?#]+\//.test(text)) throw invalid(`Cannot use the URL "${text}": it has no path`, hint);
  const { username, password } = url;
  if (username === '' && password === '') return { url: url.href, shown: text, headers: IDENTITY };
  // fetch refuses credentials in an address.
  url.username = url.password = '';
  const credentials = btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const shown = url.href.replace('//', `//${username}:***@`);
  return { url: url.href, shown, headers: { ...IDENTITY, authorization: `Basic ${credentials}` } };
}

interface Limits {
  readonly maxBytes: number;
  readonly room: DiskRoom;
}

/** The file's own bytes, and a length that counts them. */
const IDENTITY = { 'accept-encoding': 'identity', 'user-agent': 'bacalhau' };

async function save(
  files: ContainedFiles,
  address: Address,
  answer: WebAnswer,
  temporary: string,
  file: string,
  limits: Limits,
  signal: AbortSignal,
): Promise<void> {
  const expected = lengthOf(answer);
  const { maxBytes } = limits;
  if ((expected ?? 0) > maxBytes) throw tooLarge(address, maxBytes);
  const handle = await files.create(temporary, 0o644);
  try {
    await writeBody(address, answer, handle, limits, expected, signal);
    await handle.sync();
    await handle.close();
    await files.rename(temporary, file);
  } catch (error) {
    await handle.close();
    await files.remove(temporary);
    throw error;
  }
}

async function writeBody(
  address: Address,
  answer: WebAnswer,
  handle: FileHandle,
  { maxBytes, room }: Limits,
  expected: number | null,
  signal: AbortSignal,
): Promise<void> {
  let received = 0;
  try {
    for await (const chunk of answer.body) {
      signal.throwIfAborted();
      received += chunk.length;
      room.take(chunk.length);
      if (received > maxBytes) throw tooLarge(address, maxBytes);
      for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
    }
    if (expected !== null && received !== expected) {
      throw new Error(`the answer ended after ${received} of ${expected} bytes`);
    }
  } catch (error) {
    room.take(-received);
    throw error;
  }
}

function lengthOf({ headers }: WebAnswer): number | null {
  const text = headers['content-length'];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

function tooLarge({ shown }: Address, maxBytes: number): BacalhauError {
  return new BacalhauError(
    'ResourceExhausted',
    `Cannot download "${shown}": it is larger than ${maxBytes} bytes`,
    {
      component: 'Storage',
      details: { class: 'user', url: shown },
    },
  );
}

/** The server answered, but not with the file. */
function refused({ shown }: Address, { status }: WebAnswer): BacalhauError {
  const temporary = status === 408 || status === 429 || status >= 500;
  const answer = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  return new BacalhauError(
    status === 404 ? 'NotFound' : 'DownloadFailed',
    `Cannot download "${shown}": the server answered ${answer}`,
    {
      component: 'Storage',
      hint: temporary
        ? 'The server may be overloaded; try again later.'
        : 'Check the address and that it needs no login.',
      retryable: temporary,
      details: { class: temporary ? 'infrastructure' : 'user', url: shown, status: String(status) },
    },
  );
}

/** Anything thrown during a try, as what is told. */
function failure({ shown }: Address, thrown: unknown): BacalhauError {
  if (thrown instanceof BacalhauError) return thrown;
  const { message, cause } = toBacalhauError(thrown);
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  const ofDisk = ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO'].includes(code);
  return new BacalhauError('DownloadFailed', `Cannot download "${shown}": ${message}`, {
    component: 'Storage',
    hint: ofDisk ? 'Check the disk of the node.' : 'Check that the node can reach the address.',
    retryable: !ofDisk,
    details: { class: 'infrastructure', url: shown },
    cause,
  });
}
