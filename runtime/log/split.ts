/** Splits a finished log into the result files `stdout` and `stderr`. */
import { closeSync, constants, writeSync } from 'node:fs';
import { openNow } from '../files/mod.ts';
import { LogStream } from './format.ts';
import { scanLog } from './scan.ts';

const OVER = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;

/**
 * Writes both files, over what is there; empty ones for a silent or missing log. Marks of ours are left out.
 * @throws Error when the file is no log; the error of the file system otherwise
 */
export async function splitLog(logPath: string, stdoutPath: string, stderrPath: string): Promise<void> {
  const stdout = openNow(stdoutPath, OVER, 0o644);
  try {
    const stderr = openNow(stderrPath, OVER, 0o644);
    try {
      await scanLog(logPath, ({ stream, bytes }) => {
        if (stream === LogStream.mark) return;
        const fd = stream === LogStream.stdout ? stdout : stderr;
        for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done);
      });
    } finally {
      closeSync(stderr);
    }
  } finally {
    closeSync(stdout);
  }
}
