/** What a history entry says, for people (cli.md 10.1), escaped: an error is marked, its hint stands below. */
import type { JobHistory } from '../../mod/model/mod.ts';
import { printable } from '../../runtime/printable.ts';
import type { Paint } from '../output/style.ts';

export function isErrorEvent({ Event }: JobHistory): boolean {
  return Event.Details?.IsError === 'true';
}

export function eventText(entry: JobHistory, paint: Paint, debug: boolean): string {
  const { Message, Details } = entry.Event;
  const message = printable(Message);
  const lines = [isErrorEvent(entry) ? `${paint.red('Error: ')}${message}` : message];
  if (Details?.Hint) lines.push(`${paint.green('Hint: ')}${printable(Details.Hint)}`);
  if (debug) {
    const shown = Object.entries(Details ?? {}).filter(([key]) => key !== 'Hint' && key !== 'IsError');
    lines.push(...shown.map(([key, value]) => printable(`* ${key}: ${value}`)));
  }
  return lines.join('\n');
}
