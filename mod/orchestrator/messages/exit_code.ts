/** What an exit code says beyond its number, by the convention of shells: 128 + n is a death by signal n. */

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

const LOGS = 'See what it wrote with `bacalhau job logs`';

const HINTS: Readonly<Record<number, string>> = {
  125: 'The program (a shell, env, docker …) could not run its own command',
  126: 'A command of the program was found but cannot be executed: look at its permissions and its platform',
  127: 'A command of the program was not found: look at its name and PATH',
};

export function exitMessage(exitCode: number): string {
  const signal = SIGNALS[exitCode - 128];
  return `Program ended with exit code ${exitCode}${signal ? ` (${signal})` : ''}`;
}

export function exitHint(exitCode: number): string {
  const hint = HINTS[exitCode];
  return hint ? `${hint}. ${LOGS}` : LOGS;
}
