/** The suite of sources over each of them. */
import { realpath, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { inlineSource, localSource, urlSource } from '../../mod/storage/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { sourceSuite } from './suite.ts';
import { temporaryFolder } from './support.ts';

const nothing = () => Promise.resolve();

sourceSuite('inline', () =>
  Promise.resolve({
    source: inlineSource(),
    good: { Type: 'inline', Params: { URL: 'data:,hello' } },
    bad: { Type: 'inline', Params: { URL: 'no URL' } },
    [Symbol.asyncDispose]: nothing,
  }));

sourceSuite('local', async () => {
  const folder = await realpath(await temporaryFolder());
  await writeFile(join(folder, 'file'), 'hello');
  return {
    source: localSource({ allowList: [`${folder}/**`] }),
    good: { Type: 'local', Params: { SourcePath: join(folder, 'file') } },
    bad: { Type: 'local', Params: { SourcePath: '/etc/hostname' } },
    [Symbol.asyncDispose]: nothing,
  };
});

sourceSuite('urlDownload', async () => {
  const server = createServer((_request, response) => response.setHeader('content-length', 5).end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    source: urlSource({ world: realWorld }),
    good: { Type: 'urlDownload', Params: { URL: `http://127.0.0.1:${port}/file` } },
    bad: { Type: 'urlDownload', Params: { URL: 'ftp://127.0.0.1/file' } },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
});
