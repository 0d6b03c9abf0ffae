/** How an error looks on a terminal (cli.md 1.6): message, hint, and in debug mode details and the stack. */
import { BacalhauError } from '../../mod/model/errors.ts';
import { printable } from '../../runtime/printable.ts';
import { paint } from './style.ts';

/** Beginning with an empty line, so that it stands out below other output. */
export function renderError(
  error: unknown,
  env: Readonly<Record<string, string | undefined>>,
  terminal: boolean,
): string {
  const { red, green, yellow } = paint(env, terminal);
  // What failed first is the cause; what failed while it was cleared away says less.
  while (error instanceof Error && 'suppressed' in error) error = error.suppressed;
  const message = printable(error instanceof Error ? error.message : String(error));
  const lines = ['', `${red('Error: ')}${message}`];
  if (error instanceof BacalhauError && error.hint) {
    lines.push(`${green('Hint:  ')}${printable(error.hint).replaceAll('\n', '\n       ')}`);
  }
  if (env.DEBUG === 'true' || /^(trace|debug)$/i.test(env.LOG_LEVEL ?? '')) {
    const details = error instanceof BacalhauError ? { code: error.code, ...error.details } : {};
    lines.push(
      '',
      yellow('Details:'),
      ...Object.entries(details).map(([key, value]) => printable(`${key}: ${value}`)),
    );
    lines.push('', yellow('Stack Trace:'), printable(error instanceof Error ? error.stack ?? '' : ''));
  }
  return `${lines.join('\n')}\n`;
}
