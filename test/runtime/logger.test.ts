/** What strangers say cannot change the terminal that shows a log. */
import { expect, it } from 'vitest';
import { createLogger } from '../../runtime/logger.ts';

it.each(['default', 'json', 'cmd'] as const)('a line in mode %s is one line of printable text', (Mode) => {
  const lines: string[] = [];
  const logger = createLogger({ Level: 'info', Mode }, (line) => void lines.push(line));
  const evil = 'a\u001b[2Jb\u009bc\r\nd\u202ee';
  logger.log('warn', `connection of "${evil}"`, { node: evil, plain: '\u001b]0;x\u0007' });
  expect(lines).toHaveLength(1);
  // deno-lint-ignore no-control-regex
  expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  expect(lines[0]).toContain('\\u001b[2Jb');
  if (Mode === 'json') expect(JSON.parse(lines[0]!)).toMatchObject({ node: evil });
});
