/** Colours, only where a person sees them: a terminal without `NO_COLOR`, or `FORCE_COLOR`. */

export type Paint = Readonly<
  Record<'bold' | 'red' | 'green' | 'yellow' | 'header' | 'bright' | 'plain', (text: string) => string>
>;

const CODES = {
  bold: '1',
  red: '1;31',
  green: '1;32',
  yellow: '1;33',
  header: '92;48;5;236',
  bright: '97',
  plain: '37',
} as const;

function enabled(env: Readonly<Record<string, string | undefined>>, terminal: boolean): boolean {
  if (env.FORCE_COLOR && env.FORCE_COLOR !== '0') return true;
  return terminal && !(env.NO_COLOR && env.NO_COLOR !== '0') && env.TERM !== 'dumb';
}

export function paint(env: Readonly<Record<string, string | undefined>>, terminal: boolean): Paint {
  const on = enabled(env, terminal);
  const entries = Object.entries(CODES).map(([name, code]) =>
    [name, (text: string) => (on ? `\x1b[${code}m${text}\x1b[0m` : text)] as const
  );
  return Object.fromEntries(entries) as unknown as Paint;
}
