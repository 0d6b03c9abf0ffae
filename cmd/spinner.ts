/** A sign of life below the last row, on terminals only. */
import { every } from '../runtime/world.ts';

const FRAME_MS = 200;
const WIDTH = 21;
const FISH = ['🐟', '🐠', '🐡'];

export interface Spinner {
  /** Removes it from the screen until the next frame. */
  clear(): void;
  stop(): void;
}

export function startSpinner(print: (text: string) => void): Spinner {
  let frame = 0;
  print('\x1b[?25l');
  const clear = () => print('\r\x1b[K');
  const timer = every(FRAME_MS, () => {
    const at = frame % WIDTH;
    const fish = FISH[Math.floor(frame / WIDTH) % FISH.length]!;
    print(`\r\x1b[3m Processing   \x1b[0m${'.'.repeat(at)}${fish}${'.'.repeat(WIDTH - at - 1)}`);
    frame++;
  });
  return {
    clear,
    stop() {
      timer[Symbol.dispose]();
      clear();
      print('\x1b[?25h');
    },
  };
}
