/** States as columns: the type in one that can be indexed, message and details as JSON in another ('' = neither). */
import type { State } from '../model/mod.ts';
import { decode } from './context.ts';

export function stateText(state: State<unknown>): string {
  const { Message, Details } = state;
  return Message === undefined && Details === undefined ? '' : JSON.stringify({ Message, Details });
}

export function stateOf<T>(type: T, text: string): State<T> {
  return Object.freeze(
    text === '' ? { StateType: type } : { StateType: type, ...decode<Omit<State<T>, 'StateType'>>(text) },
  );
}
