/** Envelopes, messages, subjects, the sessions of both sides and log streams. */
export * from './bus.ts';
export { decodeMessage, encodeMessage, UnknownMessageType } from './codec.ts';
export type { Decoded, Encoded, MessageType, Payloads } from './codec.ts';
export { startComputeLink } from './compute_link.ts';
export { decodeEnvelope, encodeEnvelope } from './envelope.ts';
export type { Envelope, Metadata } from './envelope.ts';
export * from './link.ts';
export { LocalBus } from './local_bus.ts';
export * from './memory_bus.ts';
export * from './messages.ts';
export { startOrchestratorLink } from './orchestrator_link.ts';
export { checkNodeId } from './subjects.ts';
