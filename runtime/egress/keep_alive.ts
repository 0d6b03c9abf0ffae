/**
 * Whether HTTP connections may be kept for the next request. Deno's client sends a request again by itself when a kept
 * connection breaks off under it, also one that must not be done twice, and tells nobody.
 */
export const mayKeepConnections = !('Deno' in globalThis);
