/**
 * A core NATS server inside this process: publish/subscribe with wildcards, queue groups, headers and no-responders, by
 * token, user or TLS. No JetStream, no clusters, no accounts: whoever needs those configures a nats-server.
 */
export { LocalConnection, type LocalMessage, type LocalOptions, type LocalSubscription } from './local.ts';
export type { ConnectionFault, NatsServerOptions, NatsTlsOptions, NatsUser } from './options.ts';
export { type CloseOptions, type NatsServer, type NatsServerStats, startNatsServer } from './server.ts';
