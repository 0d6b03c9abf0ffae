/** Where results go: kept and served by the node itself, or nowhere. */
export { type LocalPublisher, type LocalPublisherOptions, startLocalPublisher } from './local.ts';
export { noopPublisher } from './noop.ts';
export type { Publisher, PublishRequest } from './publisher.ts';
