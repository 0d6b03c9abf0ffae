/** WASI preview 1: `args_*` and `environ_*`. */
import type { Family } from './host.ts';
import { stringsSize } from './memory.ts';

export const args: Family = ({ memory, args, env }) => ({
  args_sizes_get(count: number, size: number) {
    memory.setU32(count, args.length);
    memory.setU32(size, stringsSize(args));
  },
  args_get(table: number, buffer: number) {
    memory.putStrings(table, buffer, args);
  },
  environ_sizes_get(count: number, size: number) {
    memory.setU32(count, env.length);
    memory.setU32(size, stringsSize(env));
  },
  environ_get(table: number, buffer: number) {
    memory.putStrings(table, buffer, env);
  },
});
