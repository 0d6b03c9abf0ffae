/** The suite of publishers over each of them. */
import { join } from 'node:path';
import { noopPublisher, startLocalPublisher } from '../../mod/publisher/mod.ts';
import { publisherSuite } from './suite.ts';

publisherSuite(
  'noop',
  () => Promise.resolve({ publisher: noopPublisher(), fetch: () => Promise.resolve(null) }),
);

publisherSuite('local', async (folder) => ({
  publisher: await startLocalPublisher({ directory: join(folder, 'store'), host: '127.0.0.1', port: 0 }),
  fetch: async ({ Params }) => new Uint8Array(await (await fetch(String(Params!.URL))).arrayBuffer()),
}));
