/**
 * The last handler of a process that serves: an error that nobody caught is logged and counted, and the process goes on,
 * since it must not end by what a stranger sent. Deliberate ends (a store that can no longer commit) do not come this way.
 */
import process from 'node:process';
import { createLogger, type Logging } from './logger.ts';

let count = 0;

/** Errors that nobody caught since the start. */
export function uncaughtErrors(): number {
  return count;
}

/** Until disposed. @param write takes a line without its end */
export function catchUncaught(options: Logging, write: (line: string) => void): Disposable {
  const logger = createLogger(options, write);
  const onError = (thrown: unknown): void => {
    count++;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    // The log itself cannot be written: another line would only bring the next one.
    if ((error as NodeJS.ErrnoException).syscall === 'write') return;
    logger.log('error', `Unexpected: ${error.message}`, { count: String(count), stack: error.stack ?? '' });
  };
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  for (const event of events) process.on(event, onError);
  return {
    [Symbol.dispose]() {
      for (const event of events) process.off(event, onError);
    },
  };
}
