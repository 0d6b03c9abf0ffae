/**
 * Leaves the guest for good. What a host function throws, a guest may catch (`catch_all`), and would go on after its own
 * `proc_exit`; a trap it cannot. So the way out is a trap, of a module of ours, that stands for the reason.
 */

/** `(module (func (export "trap") unreachable))` */
const MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x08, 0x01, 0x04, 0x74, 0x72, 0x61, 0x70, 0x00, 0x00],
  ...[0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b],
);

const reasons = new WeakMap<object, Error>();
let trap: (() => void) | undefined;

/** Ends the guest that has called. */
export function unwind(reason: Error): never {
  trap ??= new WebAssembly.Instance(new WebAssembly.Module(MODULE)).exports.trap as () => void;
  try {
    trap();
  } catch (error) {
    reasons.set(error as object, reason);
    throw error;
  }
  throw reason;
}

/** Why a guest was left: the reason that was given, or what was thrown. */
export function reasonOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null ? reasons.get(thrown) ?? thrown : thrown;
}
