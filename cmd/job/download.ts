/** Fetches one published result into a file. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { unreachable } from '../../mod/api/client/mod.ts';
import { BacalhauError, type SpecConfig } from '../../mod/model/mod.ts';
import { textOf, type WebAnswer, webRequest } from '../../runtime/web_request.ts';

/** Where a plain GET fetches the result, or undefined for a kind that has no URL. */
export function resultUrl({ Type, Params }: SpecConfig): string | undefined {
  const kind = Type.toLowerCase();
  const url = kind === 'urldownload'
    ? Params?.URL
    : kind === 's3presigned'
    ? Params?.PreSignedURL
    : undefined;
  return typeof url === 'string' && URL.canParse(url) ? url : undefined;
}

/** Host and path with what no file name may have replaced; the query, which may be a signature, is left out. */
export function rawFileName(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`.replace(/[/\\:*?"<>|]/g, '_');
}

/** @returns the file, which is whole or not there. @throws BacalhauError that names the URL */
export async function download(url: string, folder: string, signal: AbortSignal): Promise<string> {
  const file = join(folder, rawFileName(url));
  const { origin } = new URL(url);
  let answer: WebAnswer;
  try {
    answer = await webRequest(url, { signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw unreachable(
      origin,
      cause,
      'Results are kept by the node that ran the job: check that it is up and reachable from here.',
    );
  }
  if (answer.status !== 200) {
    const text = (await textOf(answer)).trim().slice(0, 200);
    throw new BacalhauError(
      'IOError',
      `Cannot download "${url}": HTTP status ${answer.status}${text ? `, ${text}` : ''}`,
      {
        hint: 'The node that ran the job may have removed the result.',
      },
    );
  }
  const partial = `${file}.part`;
  try {
    await pipeline(answer.body, createWriteStream(partial));
    await rename(partial, file);
  } catch (cause) {
    await rm(partial, { force: true });
    if (signal.aborted) throw cause;
    throw new BacalhauError('IOError', `Cannot download "${url}": ${(cause as Error).message}`, { cause });
  }
  return file;
}
