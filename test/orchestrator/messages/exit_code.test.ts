import { expect, it } from 'vitest';
import { exitHint, exitMessage } from '../../../mod/orchestrator/messages/exit_code.ts';

it('names the signal that an exit code stands for, and no other', () => {
  expect([1, 137, 139, 143, 128, 255].map(exitMessage)).toEqual([
    'Program ended with exit code 1',
    'Program ended with exit code 137 (SIGKILL)',
    'Program ended with exit code 139 (SIGSEGV)',
    'Program ended with exit code 143 (SIGTERM)',
    'Program ended with exit code 128',
    'Program ended with exit code 255',
  ]);
});

it('says what 126 and 127 mean', () => {
  expect(exitHint(127)).toContain('not found');
  expect(exitHint(126)).toContain('executed');
  expect(exitHint(3)).toBe('See what it wrote with `bacalhau job logs`');
});
