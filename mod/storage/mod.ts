/** Where inputs come from: the job itself, a web address, a path of the node. */
export { type InlineOptions, inlineSource } from './inline.ts';
export { type LocalOptions, localSource } from './local.ts';
export { DiskRoom } from './room.ts';
export type { PreparedInput, PrepareRequest, Source } from './source.ts';
export { type UrlOptions, urlSource } from './url.ts';
