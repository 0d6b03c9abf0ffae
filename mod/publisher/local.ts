/**
 * Keeps results on the node and serves them over HTTP (job-spec.md 5.2): `<folder>/<executionID>.tar.gz`, whole or not
 * there. Publishing an execution again writes the same bytes to the same name.
 */
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { packFolder } from '../../runtime/archive.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { BacalhauError } from '../model/mod.ts';
import type { Publisher } from './publisher.ts';
import { resultServer } from './result_server.ts';

/** Where results are kept, and where they are served. */
export interface LocalPublisherOptions {
  /** Folder of the archives; made when absent. */
  readonly directory: string;
  /** Address to listen on. Default: all. */
  readonly host?: string;
  /** `Publishers.Types.Local.Port`; 0 takes a free one. Default 6001. */
  readonly port?: number;
  /** `Publishers.Types.Local.Address`: the host in the URL of a result. Default 127.0.0.1. */
  readonly address?: string;
}

/** Keeps results on this node and serves them by HTTP. */
export interface LocalPublisher extends Publisher {
  /** The one it really listens on. */
  readonly port: number;
}

/** @throws BacalhauError when folder or port cannot be had */
export async function startLocalPublisher(options: LocalPublisherOptions): Promise<LocalPublisher> {
  const { directory, host, port = 6001, address = '127.0.0.1' } = options;
  const server = resultServer(directory);
  let files: ContainedFiles;
  try {
    files = new ContainedFiles(directory);
    await removeUnfinished(files, directory);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (cause) {
    const message = `Cannot start the local publisher on port "${port}": ${(cause as Error).message}`;
    throw new BacalhauError('ConfigurationError', message, {
      component: 'LocalPublisher',
      hint: 'Choose another port with -c Publishers.Types.Local.Port=6002 (0 takes a free one).',
      cause,
    });
  }
  const listening = (server.address() as AddressInfo).port;
  const urlHost = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  let closed: Promise<void> | null = null;
  return {
    type: 'local',
    port: listening,
    available: () => Promise.resolve(null),
    check: () => Promise.resolve(null),
    async publish({ executionId, directory: results, signal }) {
      if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(executionId)) {
        throw new BacalhauError(
          'BadRequest',
          `Cannot publish results of "${executionId}": not an execution id`,
        );
      }
      const name = `${executionId}.tar.gz`;
      try {
        await pack(files, results, directory, name, signal);
      } catch (cause) {
        signal.throwIfAborted();
        throw new BacalhauError(
          'PublishFailed',
          `Cannot publish results of "${executionId}": ${(cause as Error).message}`,
          {
            component: 'LocalPublisher',
            hint: 'Check the disk of the node.',
            retryable: true,
            details: { class: 'infrastructure' },
            cause,
          },
        );
      }
      return { Type: 'urlDownload', Params: { URL: `http://${urlHost}:${listening}/${name}` } };
    },
    close() {
      return closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        files[Symbol.dispose]();
        server.closeAllConnections();
      });
    },
  };
}

/** Under a temporary name, synced and renamed: the archive is whole or not there. */
async function pack(
  files: ContainedFiles,
  results: string,
  folder: string,
  name: string,
  signal: AbortSignal,
) {
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const file = await files.create(temporary);
    try {
      await packFolder(results, createWriteStream('', { fd: file.fd, autoClose: false }), signal);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, join(folder, name));
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** What a crash left while it was being written. */
async function removeUnfinished(files: ContainedFiles, directory: string): Promise<void> {
  const names = await files.names(directory);
  const unfinished = names.filter((name) => name.startsWith('.') && name.endsWith('.tmp'));
  await Promise.all(unfinished.map((name) => files.remove(join(directory, name))));
}
