/** What a running command has at hand: where to write, what the user set, and the API client of the server they mean. */
import process from 'node:process';
import type { ApiClient } from '../mod/api/client/mod.ts';
import { printable } from '../runtime/printable.ts';
import type { GlobalOptions } from './global_options.ts';
import { type ClientSettings, readSettings } from './settings.ts';

export class Context {
  readonly env: Readonly<Record<string, string | undefined>> = process.env;
  #settings: Promise<ClientSettings> | undefined;
  #client: Promise<ApiClient> | undefined;

  constructor(readonly globals: GlobalOptions) {}

  /** To standard output; what could control a terminal is escaped. */
  print(text: string): void {
    this.printStyled(printable(text));
  }

  /** To standard output with colours and moves of our own; the caller has escaped what is foreign. */
  printStyled(text: string): void {
    process.stdout.write(text);
  }

  /** The output of a program, as it is; resolves once a slow reader has taken what waits. */
  async write(text: string): Promise<void> {
    if (process.stdout.write(text)) return;
    await new Promise<void>((drained) => process.stdout.once('drain', drained));
  }

  /** To standard error; what could control a terminal is escaped. */
  complain(text: string): void {
    this.complainStyled(printable(text));
  }

  /** To standard error with colours of our own; the caller has escaped what is foreign. */
  complainStyled(text: string): void {
    process.stderr.write(text);
  }

  settings(): Promise<ClientSettings> {
    return this.#settings ??= readSettings(this.globals, this.env);
  }

  client(): Promise<ApiClient> {
    return this.#client ??= this.#connect();
  }

  async #connect(): Promise<ApiClient> {
    const [settings, { ApiClient }, { credentials }] = await Promise.all([
      this.settings(),
      import('../mod/api/client/mod.ts'),
      import('./credentials.ts'),
    ]);
    if (this.globals.profile) {
      this.complain('Warning: --profile has no effect yet: the address comes from flags and variables\n');
    }
    const { BUILD_INFO } = await import('../runtime/build_info.ts');
    const authorization = credentials(this.env);
    return new ApiClient({
      baseUrl: settings.baseUrl,
      version: BUILD_INFO,
      ...(authorization ? { authorization } : {}),
    });
  }
}
