/** Work of others that may take its time, or for ever. */
import type { World } from '../../runtime/world.ts';

/** @throws an Error with this text when it takes longer; the signal is aborted with it, too */
export async function inTime<T>(
  world: World,
  ms: number,
  text: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  using _timer = world.after(ms, () => {
    const error = new Error(`${text}: it took longer than ${ms} ms`);
    abort.abort(error);
    reject(error);
  });
  return await Promise.race([work(abort.signal), late]);
}
