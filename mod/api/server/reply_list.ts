/** Lists without a limit: whole, as the original answers them, also where they do not fit into memory. */
import { addMemoryPressure } from '../../../runtime/memory_pressure.ts';
import { type ApiContext, jsonHeaders, replyText } from './context.ts';
import { listText } from './json_text.ts';

/** Characters that are in memory at the same time. */
const PIECE = 2 ** 20;

/** A long list is sent piece by piece, as the client takes it; an error among the later ones cuts the connection. */
export async function replyList<T>(
  c: ApiContext,
  values: AsyncIterable<T>,
  textOf: (value: T) => string,
): Promise<Response> {
  const iterator = values[Symbol.asyncIterator]();
  // Indenting needs the whole text.
  const most = c.get('query').has('pretty') ? Infinity : PIECE;
  const first = await piece();
  if (first.isLast) return replyText(c, listText(first.texts));
  const [start, end] = listText(['\n']).split('\n') as [string, string];
  const pieces = new ReadableStream<string>({
    start: (controller) => controller.enqueue(start + first.texts.join(',')),
    async pull(controller) {
      const { texts, isLast } = await piece();
      controller.enqueue(texts.map((text) => `,${text}`).join('') + (isLast ? `${end}\n` : ''));
      if (isLast) controller.close();
    },
    cancel: async () => void await iterator.return?.(),
  });
  return new Response(pieces.pipeThrough(new TextEncoderStream()), { headers: jsonHeaders(c) });

  async function piece(): Promise<{ readonly texts: readonly string[]; readonly isLast: boolean }> {
    const texts: string[] = [];
    let length = 0;
    while (length < most) {
      const { done, value } = await iterator.next();
      if (done) return { texts, isLast: true };
      length += texts[texts.push(textOf(value)) - 1]!.length;
    }
    addMemoryPressure(4 * length);
    return { texts, isLast: false };
  }
}
