/** What a watched job looks like: one row after the other, or one row per execution. */
import { describe, expect, it } from 'vitest';
import { Context } from '../../cmd/context.ts';
import { groupPrinter, rowPrinter, screenLines } from '../../cmd/event_printer.ts';
import type { JobHistory } from '../../mod/model/mod.ts';

class Captured extends Context {
  override readonly env = {};
  printed: string[] = [];
  constructor() {
    super({ config: [] });
  }
  override printStyled(text: string): void {
    this.printed.push(text);
  }
}

const entry = (ExecutionID: string, Topic: string, Message: string, IsError = false): JobHistory => ({
  Type: ExecutionID === '' ? 'JobLevel' : 'ExecutionLevel',
  JobID: 'j-1',
  JobVersion: 1,
  ExecutionID,
  SeqNum: 1n,
  Time: '2026-11-21T09:14:02.118Z',
  Event: {
    Topic,
    Message,
    Timestamp: '2026-11-21T09:14:02.118Z',
    ...(IsError ? { Details: { IsError: 'true', Hint: 'look' } } : {}),
  },
});

const A = 'e-11111111-0000-4000-8000-000000000000';
const B = 'e-22222222-0000-4000-8000-000000000000';
const SUBMITTED = entry('', 'Submission', 'Job submitted');
const squeeze = (text: string) => text.split('\n').map((line) => line.replace(/ +/g, ' ').trim());

describe('rows', () => {
  it('show the first event, those of executions, and errors of the job that no execution told', () => {
    const context = new Captured();
    const printer = rowPrinter(context, false, () => {});
    printer.add([SUBMITTED, entry('', 'State Update', 'Running'), entry(A, 'Execution', 'Running')]);
    printer.add([entry(A, 'Execution', 'gone', true), entry('', 'Scheduling', 'gone, too', true)]);
    printer.end();
    expect(squeeze(context.printed.join(''))).toEqual([
      'TIME EXEC. ID TOPIC EVENT',
      expect.stringMatching(/ Submission Job submitted$/),
      expect.stringMatching(/ e-11111111 Execution Running$/),
      expect.stringMatching(/ e-11111111 Execution Error: gone$/),
      'Hint: look',
      '',
    ]);
  });
});

describe('groups', () => {
  const ROWS = [
    'TIME EXEC. ID TOPIC EVENT',
    expect.stringMatching(/ e-11111111 Execution Completed$/),
    expect.stringMatching(/ e-22222222 Execution Running$/),
    expect.stringMatching(/ State Update Running$/),
    '',
  ];
  const first = [SUBMITTED, entry(A, 'Execution', 'Running'), entry(B, 'Execution', 'Running')];
  const then = [entry(A, 'Execution', 'Completed'), entry('', 'State Update', 'Running')];

  it('are printed once where nothing can be redrawn', () => {
    const context = new Captured();
    const printer = groupPrinter(context, false, () => {});
    [first, [], then].forEach((page) => printer.add(page));
    expect(context.printed).toEqual([]);
    printer.end();
    expect(squeeze(context.printed.join(''))).toEqual(ROWS);
  });

  it('change in place on a terminal, and only when there is news', () => {
    const context = new Captured();
    let cleared = 0;
    const printer = groupPrinter(context, true, () => cleared++);
    [first, [], then].forEach((page) => printer.add(page));
    printer.end();
    expect(cleared).toBe(2);
    expect(context.printed).toHaveLength(2);
    // Header, two executions, the job: four lines up, and what was there erased.
    expect(context.printed[1]!.startsWith('\x1b[4A\x1b[0J')).toBe(true);
    expect(squeeze(context.printed[1]!.slice('\x1b[4A\x1b[0J'.length))).toEqual(ROWS);
  });

  it('count lines as the screen shows them', () => {
    expect(screenLines('a\n\n\x1b[31m12345\x1b[0m6789\n', 5)).toBe(4);
    expect(screenLines('a\nbc\n', 0)).toBe(2);
  });
});
