/** Waiting for a container: the engine answers the head at once, the body when it has happened. */
import type { Wait } from './client.ts';
import { DockerError } from './errors.ts';
import type { Call, Transport } from './transport.ts';
import type { WaitResult } from './types.ts';

export function wait(transport: Transport, call: Call): Wait {
  const response = transport.stream(call);
  const registered = response.then(() => undefined);
  const result = response.then(async (body) => {
    let text = '';
    try {
      for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
    } catch (error) {
      throw transport.explain(error, call);
    }
    if (call.signal?.aborted) throw transport.explain(undefined, call);
    if (text.trim() === '') {
      throw new DockerError('Unavailable', 'the engine went away during a wait', { subject: call.subject });
    }
    return JSON.parse(text) as WaitResult;
  });
  // A caller may look at one of the two only; the other must not end the process.
  registered.catch(() => undefined);
  result.catch(() => undefined);
  return { registered, result };
}
