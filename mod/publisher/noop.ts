/** Publishes nothing; results stay on the node until they are pruned. */
import type { Publisher } from './publisher.ts';

/** Publishes nothing, as jobs without a publisher ask for. */
export function noopPublisher(): Publisher {
  return {
    type: 'noop',
    available: () => Promise.resolve(null),
    check: () => Promise.resolve(null),
    publish: () => Promise.resolve({ Type: '', Params: {} }),
    close: () => Promise.resolve(),
  };
}
