/**
 * The last handler of a process that serves: an error that nobody caught is logged and counted, and the process goes on,
 * since it must not end by what a stranger sent. Deliberate ends (a store that can no longer commit) do not come this way.
 */
import process from 'node:process';
import { createLogger, type LoggerOptions } from './logger.ts';

let count = 0;

/** Errors that nobody caught since the start. */
export function strayErrors(): number {
  return count;
}

export function catchStrays(options: LoggerOptions): Disposable {
  const logger = createLogger(options);
  const onStray = (thrown: unknown): void => {
    count++;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    // The log itself cannot be written: another line would only bring the next one.
    if ((error as NodeJS.ErrnoException).syscall === 'write') return;
    logger.log('error', `Unexpected: ${error.message}`, { count: String(count), stack: error.stack ?? '' });
  };
  process.on('uncaughtException', onStray);
  process.on('unhandledRejection', onStray);
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onStray);
      process.off('unhandledRejection', onStray);
    },
  };
}
