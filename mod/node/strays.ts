/** The last handler of a program that serves, with the log that its configuration names. */
import { catchStrays as catchWith } from '../../runtime/strays.ts';
import type { Config } from '../config/mod.ts';

export function catchStrays({ Logging }: Config, write: (line: string) => void): Disposable {
  return catchWith({ level: Logging.Level, mode: Logging.Mode, write });
}
