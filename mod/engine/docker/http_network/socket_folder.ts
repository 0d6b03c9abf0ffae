/**
 * The folder of the proxies' unix sockets: for this user only, and short, since the path of a socket has 108 bytes at
 * most. Under the data directory where that fits, else in the system's folder for temporary files.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { makeFolderNow, removeNow } from '../../../../runtime/files/mod.ts';

const MAX_SOCKET_PATH = 107;
const NAME_LENGTH = 16;
const EXTENSION = '.sock';

/** Makes the folder and clears it of sockets that an earlier node left. @throws Error when it belongs to somebody else */
export function openSocketFolder(directory: string): string {
  const longest = Buffer.byteLength(directory) + 1 + NAME_LENGTH + EXTENSION.length;
  const folder = longest <= MAX_SOCKET_PATH ? directory : join('/tmp', `bacalhau-${short(directory)}`);
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found && (!found.isDirectory() || found.uid !== process.getuid!())) {
    throw new Error(`Cannot keep sockets in "${folder}": it is not a folder of this user`);
  }
  makeFolderNow(folder);
  for (const name of readdirSync(folder)) {
    if (name.endsWith(EXTENSION)) removeNow(join(folder, name));
  }
  return folder;
}

export function socketPath(folder: string, executionId: string, runNo: number): string {
  return join(folder, `${short(`${executionId} ${runNo}`)}${EXTENSION}`);
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, NAME_LENGTH);
}
