/** Where a published result is, and its bytes as they come. */
import { unreachable } from '../../mod/api/client/mod.ts';
import { BacalhauError, type SpecConfig } from '../../mod/model/mod.ts';
import { type WebAnswer, webRequest } from '../../runtime/web_request.ts';

/** Where a plain GET fetches the result, or undefined for a kind that has no URL, or one that is no web address. */
export function resultUrl({ Type, Params }: SpecConfig): string | undefined {
  const kind = Type.toLowerCase();
  const url = kind === 'urldownload'
    ? Params?.URL
    : kind === 's3presigned'
    ? Params?.PreSignedURL
    : undefined;
  return typeof url === 'string' && /^https?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
}

const MAX_NAME = 200;

/** Host and path with what no file name may have replaced; the query, which may be a signature, is left out. */
export function rawFileName(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`.replace(/[/\\:*?"<>|]/g, '_').slice(-MAX_NAME);
}

/** @throws BacalhauError that names the URL; what breaks off later is an error of the bytes */
export async function openResult(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  let answer: WebAnswer;
  try {
    answer = await webRequest(url, { signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw unreachable(
      new URL(url).origin,
      cause,
      'Results are kept by the node that ran the job: check that it is up and reachable from here.',
    );
  }
  if (answer.status === 200) return answer.body;
  const text = (await startOf(answer)).trim().slice(0, 200);
  throw new BacalhauError(
    'IOError',
    `Cannot download "${url}": HTTP status ${answer.status}${text ? `, ${text}` : ''}`,
    { hint: 'The node that ran the job may have removed the result.' },
  );
}

/** Enough of a body to tell why; it may have no end. */
async function startOf({ body, discard }: WebAnswer): Promise<string> {
  try {
    for await (const chunk of body) return new TextDecoder().decode(chunk.subarray(0, 1000));
    return '';
  } finally {
    discard();
  }
}
