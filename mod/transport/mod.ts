/** Envelopes, messages, subjects, the sessions of both sides and log streams. */
export * from './bus/bus.ts';
export { decodeMessage, encodeMessage, UnknownMessageType } from './wire/codec.ts';
export type { Decoded, Encoded, MessageType, Payloads } from './wire/codec.ts';
export { startComputeLink } from './session/compute_link.ts';
export { decodeEnvelope, encodeEnvelope } from './wire/envelope.ts';
export type { Envelope, Metadata } from './wire/envelope.ts';
export * from './session/link.ts';
export { LocalBus } from './bus/local_bus.ts';
export { natsConnect } from './bus/nats_bus.ts';
export * from './wire/messages.ts';
export { startOrchestratorLink } from './session/orchestrator_link.ts';
export { checkNodeId } from './wire/subjects.ts';
