/** What a run is made with where it differs from the product, so that a few minutes see what takes days. */
export const DISCONNECT_MS = 20_000;
export const WINDOW_MS = 30_000;
/** Of a node's rows after their confirmation, and of its memory of those. */
export const RETENTION_MS = 20_000;
export const TOMBSTONE_MS = 20_000;
export const PRUNE_MS = 5_000;
