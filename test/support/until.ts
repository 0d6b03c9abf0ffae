/** The one way in which tests wait for the world: for a condition, never for a time. */

/** So long nothing takes, on however busy a machine; below the limit of a fast test, so that the reason is told. */
const LIMIT_MS = 25_000;
const LONGEST_PAUSE_MS = 20;

/** @returns the first truthy answer; @throws with `what` when there is none within `ms` */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string | (() => string) = String(condition),
  ms = LIMIT_MS,
): Promise<Exclude<T, undefined | null | false | '' | 0>> {
  const end = performance.now() + ms;
  for (let pause = 1;; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const answer = await condition();
    if (answer) return answer as Exclude<T, undefined | null | false | '' | 0>;
    if (performance.now() > end) {
      throw new Error(`not within ${ms} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((next) => setTimeout(next, pause));
  }
}
