/** Our own executable inside a run's network namespace (runtime/egress/forwarder.ts): started, watched, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { forwarderCommand, READY } from '../../../../runtime/egress/mod.ts';
import { findProgram, killGroup } from '../../../../runtime/process.ts';
import { childEnvironment, selfCommand } from '../../../../runtime/self.ts';

/** Where the program of util-linux is; null when there is none. */
export function findNsenter(): string | null {
  return findProgram('nsenter');
}

export interface ForwarderPlace {
  readonly nsenter: string;
  /** A process in the namespace, and the namespace that it must be. */
  readonly pid: number;
  readonly namespace: string;
  /** Path of the proxy's socket. */
  readonly socket: string;
  /** Port on the loopback inside. */
  readonly port: number;
}

const STDERR_BYTES = 1000;

export class ForwarderProcess {
  /** Resolves with its last words when the process is gone. */
  readonly gone: Promise<string>;
  readonly pid: number;
  #child: ChildProcess;
  #ended = false;

  private constructor(child: ChildProcess, gone: Promise<string>) {
    this.#child = child;
    this.gone = gone;
    this.pid = child.pid!;
    gone.then(() => this.#ended = true);
  }

  /**
   * Resolves when it listens.
   * @param signal ends the attempt
   * @throws Error with nsenter's or the forwarder's own words
   */
  static async start(place: ForwarderPlace, signal: AbortSignal): Promise<ForwarderProcess> {
    const inside = selfCommand(...forwarderCommand(place));
    const child = spawn(place.nsenter, [`--net=/proc/${place.pid}/ns/net`, '--', ...inside], {
      cwd: '/',
      env: childEnvironment(),
      detached: true, // Ctrl-C at the terminal reaches us, not the network of a job
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let words = '';
    child.stderr.setEncoding('utf8').on(
      'data',
      (text: string) => words = (words + text).slice(-STDERR_BYTES),
    );
    child.stdin.on('error', () => child.stdin.destroy()); // it died; `gone` tells
    const gone = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, killer) => resolve(words.trim() || `ended with ${killer ?? code}`));
    });
    const ready = new Promise<null>((resolve) => {
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (more: string) => {
        text = (text + more).slice(-READY.length - 1);
        if (text === `${READY}\n`) resolve(null);
      });
    });
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<string>();
    const abort = () => onAbort(`it did not start in time (${signal.reason})`);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const why = await Promise.race([ready, gone, aborted]);
    signal.removeEventListener('abort', abort);
    if (why === null) return new ForwarderProcess(child, gone);
    if (child.pid !== undefined) {
      if (child.exitCode === null && child.signalCode === null) killGroup(child.pid);
      await gone;
    }
    throw new Error(why);
  }

  /** Ends the process at once; resolves when it is gone. Idempotent. */
  async close(): Promise<void> {
    if (!this.#ended && this.#child.exitCode === null && this.#child.signalCode === null) killGroup(this.pid);
    await this.gone;
  }
}
