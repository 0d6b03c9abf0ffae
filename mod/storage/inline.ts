/**
 * Input that lies in the job itself, as a data URL (job-spec.md 4.6). `application/gzip` is a tar.gz and becomes a folder,
 * anything else one file at the target.
 */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ArchiveError, measureArchive, unpackArchive, type UnpackLimits } from '../../runtime/archive.ts';
import { writeNow } from '../../runtime/files/mod.ts';
import { BacalhauError, type SpecConfig } from '../model/mod.ts';
import { type DataUrl, parseDataUrl } from './data_url.ts';
import { asRefusal, invalid, isWritable, textParam } from './params.ts';
import type { Source } from './source.ts';

/** Limits of inputs that are part of the job. */
export interface InlineOptions {
  /** What an archive may unpack to. Default 100 MiB. */
  readonly maxBytes?: number;
}

const MAX_FILE_BYTES = 10 * 1024 * 1024;
const DEFAULT_MAX_BYTES = 100 * 1024 * 1024;

/** Files and archives that lie in the job itself, as `data:` URLs. */
export function inlineSource(options: InlineOptions = {}): Source {
  const limits: UnpackLimits = {
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    maxFileBytes: MAX_FILE_BYTES,
  };
  return {
    type: 'inline',
    available: () => Promise.resolve(null),
    check: (spec) => asRefusal(() => void read(spec)),
    async size(spec, signal) {
      const { mediaType, data } = read(spec);
      if (mediaType !== ARCHIVE) return data.length;
      return (await wrapped(measureArchive(Readable.from([data]), limits, signal))).bytes;
    },
    async prepare({ spec, directory, room, signal }) {
      const { mediaType, data } = read(spec);
      const readOnly = !isWritable(spec);
      if (mediaType === ARCHIVE) {
        room.take((await wrapped(measureArchive(Readable.from([data]), limits, signal))).bytes);
        await wrapped(unpackArchive(Readable.from([data]), directory, limits, signal));
        return { hostPath: directory, readOnly };
      }
      room.take(data.length);
      const hostPath = join(directory, 'inline');
      // At once: no larger than a job, a fraction of a hop to another thread and back.
      writeNow(hostPath, data, 0o644);
      return { hostPath, readOnly };
    },
  };
}

const ARCHIVE = 'application/gzip';

/** @throws BacalhauError */
function read(spec: SpecConfig): DataUrl {
  const url = textParam(spec, 'URL');
  if (url === '') {
    throw invalid(
      'Cannot use an inline input: it has no URL',
      'Give Params.URL as "data:,text" or "data:;base64,…".',
    );
  }
  try {
    return parseDataUrl(url);
  } catch (error) {
    const shown = url.length > 40 ? `${url.slice(0, 40)}…` : url;
    throw invalid(
      `Cannot use the inline input "${shown}": ${(error as Error).message}`,
      'A data URL reads "data:,text", "data:;base64,…" or "data:application/gzip;base64,…".',
      error,
    );
  }
}

async function wrapped<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    throw new BacalhauError('ValidationError', `Cannot unpack an inline input: ${error.message}`, {
      component: 'Storage',
      hint:
        'Only files and folders inside the archive are taken; large inputs are better given by URL or path.',
      details: { class: 'user' },
      cause: error,
    });
  }
}
