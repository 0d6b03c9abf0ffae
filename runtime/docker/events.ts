/** The engine's events, as long as they are iterated or until the signal fires. */
import type { EventStream, Filters } from './client.ts';
import { jsonLines } from './json_lines.ts';
import type { Transport } from './transport.ts';
import type { DockerEvent } from './types.ts';

export function eventStream(
  transport: Transport,
  filters: Filters,
  signal: AbortSignal,
  window: { since?: string | number; until?: string | number } = {},
): EventStream {
  const call = { path: '/events', query: { filters, ...window }, signal };
  const response = transport.stream(call);
  const registered = response.then(() => undefined);
  registered.catch(() => undefined);
  return {
    registered,
    async *[Symbol.asyncIterator]() {
      const body = await response;
      try {
        yield* jsonLines<DockerEvent>(body);
        if (signal.aborted) throw transport.explain(undefined, call);
      } catch (error) {
        throw transport.explain(error, call);
      } finally {
        body.destroy();
      }
    },
  };
}
