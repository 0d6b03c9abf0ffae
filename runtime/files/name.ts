/** Names of files, as they may come from anywhere. */
import { Buffer } from 'node:buffer';
import { sep } from 'node:path';

/** Bytes, on every common file system. */
const MAX_NAME = 255;

/** Names that are devices in every directory of Windows, and what its paths mean otherwise than they say. */
const NOT_ON_WINDOWS = /[\\:]|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[. ]$/i;

/** Whether it is one plain name: no path, neither `.` nor `..`, nothing that means something else on this system. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) &&
    Buffer.byteLength(name) <= MAX_NAME && !(sep === '\\' && NOT_ON_WINDOWS.test(name));
}
