/** Streams of JSON objects, one after the other, as pull, import and events send them. */
import { DockerError, errorOfAnswer } from './errors.ts';

/** One line of a stream that reports on work; `error` ends it. */
export interface StatusLine {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string; readonly code?: number };
  readonly aux?: { readonly Digest?: string; readonly ID?: string };
}

/** @throws DockerError `DataLoss` when a line is no JSON */
export async function* jsonLines<T>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    if (!rest.includes('\n')) continue;
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') yield parse<T>(line);
  }
  if (rest.trim() !== '') yield parse<T>(rest);
}

/** Lines of work under way. @throws DockerError for the line that says it failed */
export async function* statusLines(
  chunks: AsyncIterable<Uint8Array>,
  subject?: string,
): AsyncGenerator<StatusLine> {
  for await (const line of jsonLines<StatusLine>(chunks)) {
    const error = line.errorDetail?.message ?? line.error;
    if (error) throw errorOfAnswer(error, line.errorDetail?.code, subject);
    yield line;
  }
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new DockerError('DataLoss', `the engine sent a line that is not JSON: ${line.slice(0, 100)}`, {
      cause,
    });
  }
}
