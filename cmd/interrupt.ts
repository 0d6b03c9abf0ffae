/** Ctrl-C and SIGTERM as a signal: the first one asks, a second one ends the process at once. */
import process from 'node:process';
import { realWorld } from '../runtime/world.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** What a shell reports for a process that Ctrl-C ended. */
const INTERRUPTED = 130;

/** Runs `work` with a signal that fires on Ctrl-C; the handlers are gone afterwards. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}

/** Runs `work` with a signal that fires after `ms` (any number, however large) or with `signal`. */
export async function limited<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  using _timer = realWorld.after(ms, () => limit.abort(new DOMException('the time is over', 'TimeoutError')));
  return await work(AbortSignal.any([signal, limit.signal]));
}

/** Resolves when the signal fires. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Resolves when the user wants to stop. @throws the reason when what runs can no longer go on */
export async function untilStopped(signal: AbortSignal, failed: Promise<Error>): Promise<void> {
  const reason = await Promise.race([aborted(signal), failed]);
  if (reason) throw reason;
}

/** Resolves after `ms`, or at once when the signal fires. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await realWorld.sleep(ms, signal).catch(() => undefined);
}
