/** Commands of the command line in this process, and their dry runs against what the original printed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addGlobalFlags, type Command, newCommand, parseCommand } from '../../cmd/command.ts';
import { Context } from '../../cmd/context.ts';
import { parseJobFile } from '../../mod/spec/mod.ts';

class Captured extends Context {
  stdout = '';
  stderr = '';
  override printStyled(text: string): void {
    this.stdout += text;
  }
  override write(text: string): Promise<void> {
    this.stdout += text;
    return Promise.resolve();
  }
  override complainStyled(text: string): void {
    this.stderr += text;
  }
}

export interface Said {
  readonly stdout: string;
  readonly stderr: string;
  /** What the command resolved to; absent where it printed its help. */
  readonly result?: unknown;
}

interface Runnable {
  configure(command: Command): void;
  run(args: string[], options: never, context: Context): Promise<unknown>;
}

/** Runs a command with these words. @param name its words behind `bacalhau` */
export async function invoke(command: unknown, name: string, words: readonly string[]): Promise<Said> {
  const { configure, run } = command as Runnable;
  let help = '';
  const library = newCommand(`bacalhau ${name}`, name, (text) => help += text);
  library.optionsGroup('Flags:');
  configure(library);
  addGlobalFlags(library);
  const parsed = parseCommand(library, words);
  if (!parsed) return { stdout: help, stderr: '' };
  const context = new Captured(parsed.globals);
  const result = await run(parsed.args as string[], parsed.options as never, context);
  return { stdout: context.stdout, stderr: context.stderr, result };
}

/** Words of each case by its name. @param fixtures folder of `cases.json` and of what the original printed for each */
export function dryRunCases(fixtures: string): Readonly<Record<string, string[]>> {
  return JSON.parse(readFileSync(join(fixtures, 'cases.json'), 'utf8'));
}

/** A test for each case: the same text as the original's, which can be submitted. */
export function testDryRuns(fixtures: string, dryRun: (...words: readonly string[]) => Promise<Said>): void {
  const cases = dryRunCases(fixtures);
  it('has a case for every fixture', () => {
    const files = readdirSync(fixtures).filter((name) => name.endsWith('.yaml'));
    expect(files.sort()).toEqual(Object.keys(cases).map((name) => `${name}.yaml`).sort());
  });

  it.each(Object.entries(cases))('prints what the original prints: %s', async (name, words) => {
    const { stdout } = await dryRun(...words);
    expect(stdout).toBe(readFileSync(join(fixtures, `${name}.yaml`), 'utf8'));
    await parseJobFile(stdout, {});
  });
}
