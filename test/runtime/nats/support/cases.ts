/** One script of bytes for every server: what clients may send, and what they should not. */
import type { Case } from './transcript.ts';

const PICKY = '{"verbose":true,"pedantic":true,"headers":true,"no_responders":true}';
const quiet = (fields: string) => `{"verbose":false,"pedantic":false${fields}}`;

export const CASES: readonly Case[] = [
  {
    name: 'publish and subscribe',
    steps: ['SUB foo 1\r\nPUB foo 2\r\nhi\r\n', 'UNSUB 1\r\nPUB foo 0\r\n\r\n'],
  },
  { name: 'verbose', connect: PICKY, steps: ['SUB foo 1\r\nPUB foo 2\r\nhi\r\nUNSUB 1\r\nUNSUB 77\r\n'] },
  { name: 'verbose and echo before CONNECT', connect: false, steps: ['SUB a 1\r\nPUB a 1\r\nx\r\n'] },
  { name: 'CONNECT twice', steps: ['CONNECT {"verbose":true}\r\n', 'SUB a 1\r\n'] },
  ...[
    '{x',
    '',
    '[]',
    '{"verbose":"x"}',
    'null',
    '{"protocol":-1}',
    '{"protocol":5}',
    '{"no_responders":true}',
  ].map(
    (connect) => ({ name: `CONNECT ${connect}`, connect, steps: [] }),
  ),
  {
    name: 'pedantic publish',
    connect: PICKY,
    steps: ['PUB a..b 2\r\nhi\r\n', 'PUB a.* 2\r\nhi\r\n', 'SUB a 1\r\nPUB a r.* 0\r\n\r\n'],
  },
  {
    name: 'wildcards in a published subject',
    steps: ['SUB a.> 1\r\nSUB a.* 2\r\nPUB a.* 2\r\nhi\r\nPUB a.> 0\r\n\r\n'],
  },
  {
    name: 'empty words',
    steps: ['SUB > 1\r\nSUB a.> 2\r\nPUB a..b 2\r\nhi\r\nPUB a. 2\r\nhi\r\nPUB .a 2\r\nhi\r\n'],
  },
  ...[PICKY, quiet('')].map((connect) => ({
    name: 'invalid subscriptions',
    connect,
    steps: [
      'SUB a..b 1\r\n',
      'SUB a.>.b 2\r\n',
      'SUB .a 3\r\n',
      'SUB a. 4\r\n',
      'SUB a q.* 5\r\nPUB a 0\r\n\r\n',
    ],
  })),
  ...[
    'BOGUS',
    'PUX a 1',
    'MSG a 1 1',
    '',
    ' PING',
    'GET / HTTP/1.1',
    'PUB',
    'PUB foo',
    'PUB foo -1',
    'PUB foo +1',
    'PUB foo x',
    'PUB foo a b 1',
    'PUB foo 99999999999999999999',
    'HPUB foo 14',
    'HPUB foo 14 12',
    'SUB',
    'SUB foo',
    'SUB foo q 1 2',
    'UNSUB',
    'UNSUB ',
    "-ERR 'x'",
    '+OK',
    'INFO {}',
    'PING hello',
    'PONG',
  ].map((line) => ({ name: `line ${line}`, steps: [`${line}\r\n`] })),
  { name: 'unsubscribe after', steps: ['SUB a 1\r\nUNSUB 1 2\r\n' + 'PUB a 0\r\n\r\n'.repeat(3)] },
  {
    name: 'unsubscribe counts from the start',
    steps: [
      'SUB a 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\n',
      'SUB b 2\r\nPUB b 0\r\n\r\nPUB b 0\r\n\r\nUNSUB 2 3\r\nPUB b 0\r\n\r\nPUB b 0\r\n\r\n',
      'SUB c 3\r\nUNSUB 3 x\r\nPUB c 0\r\n\r\n',
      'SUB d 4\r\nUNSUB 4 -3\r\nPUB d 0\r\n\r\n',
    ],
  },
  { name: 'a sid in use', steps: ['SUB a 1\r\nSUB b 1\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n'] },
  {
    name: 'blanks, tabs, case',
    steps: ['SUB a  1\r\nPUB  a   2\r\nok\r\n', 'sub\tb\t2\r\npUb\tb\t2\r\nok\r\nping\r\n'],
  },
  { name: 'line feed alone', steps: ['SUB a 1\nPUB a 2\nok\r\n'] },
  { name: 'payload without its end', steps: ['SUB a 1\r\nPUB a 2\r\nok\nPING\r\n'] },
  { name: 'payload longer than told', steps: ['SUB a 1\r\nPUB a 2\r\nokk\r\n'] },
  { name: 'any bytes', steps: ['SUB a\xe9\xff 1\r\nPUB a\xe9\xff 6\r\n\r\n\0\xff\r\n\r\n'] },
  { name: 'reply', steps: ['SUB a 1\r\nPUB a r 2\r\nok\r\n'] },
  {
    name: 'no responders',
    steps: ['PUB a r 2\r\nok\r\n', 'SUB r 9\r\nPUB a r 2\r\nok\r\n', 'SUB s.* 10\r\nPUB a s.1 2\r\nok\r\n'],
  },
  { name: 'no responders, verbose', connect: PICKY, steps: ['SUB r 9\r\nPUB a r 2\r\nok\r\n'] },
  {
    name: 'no responders not asked for',
    connect: quiet(',"headers":true'),
    steps: ['SUB r 9\r\nPUB a r 2\r\nok\r\n'],
  },
  {
    name: 'no responders for a listener that is oneself, echo off',
    connect: quiet(',"echo":false,"headers":true,"no_responders":true'),
    steps: ['SUB a 1\r\nSUB r 2\r\nPUB a r 2\r\nok\r\n'],
  },
  { name: 'echo off', connect: quiet(',"echo":false'), steps: ['SUB a 1\r\nPUB a 2\r\nok\r\n'] },
  {
    name: 'headers',
    steps: [
      'SUB a 1\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nok\r\n',
      'HPUB a r 21 23\r\nNATS/1.0\r\nA: bcd\r\n\r\nok\r\n',
    ],
  },
  {
    name: 'headers not agreed on',
    connect: quiet(''),
    steps: ['SUB a 1\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nok\r\n'],
  },
  { name: 'queue of one', steps: ['SUB a q 1\r\nPUB a 2\r\nok\r\nPUB a 2\r\nok\r\n'] },
  {
    name: 'order of wildcards',
    steps: ['SUB * 1\r\nSUB > 2\r\nSUB a.*.c 3\r\nSUB a.> 4\r\nPUB a.b.c 0\r\n\r\n'],
  },
  {
    name: 'stars inside words',
    steps: ['SUB a*.b 1\r\nSUB a>.b 2\r\nPUB a*.b 0\r\n\r\nPUB ax.b 0\r\n\r\nPUB a>.b 0\r\n\r\n'],
  },
  { name: 'too large', steps: ['PUB a 1048577\r\n'], untilClose: true },
  { name: 'too large with headers', steps: ['HPUB a 12 1048577\r\n'], untilClose: true },
  { name: 'largest', steps: [`SUB a 1\r\nPUB a 1048576\r\n${'x'.repeat(1048576)}\r\n`] },
  { name: 'long line', steps: [`SUB ${'a'.repeat(5000)} 1\r\n`] },
  { name: 'long line without an end', steps: [`SUB ${'a'.repeat(5000)}`], untilClose: true },
  { name: 'longest line', steps: [`SUB ${'a'.repeat(4000)} 1\r\n`] },
];
