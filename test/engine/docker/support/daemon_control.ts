/** What may happen to a private dockerd under its containers: it ends, it is killed, it hangs, it comes back. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { TestDocker } from '../../../support/docker.ts';
import { remember } from '../../../support/docker_daemon.ts';
import { isAlive } from '../../../support/program.ts';
import { until } from '../../../support/until.ts';

export class DaemonControl {
  readonly #command: readonly string[];
  readonly #folder: string;
  #pid: number;

  /** @param host of `privateDockerd` */
  constructor(readonly host: TestDocker) {
    this.#pid = host.pid;
    this.#command = readFileSync(`/proc/${host.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    this.#folder = dirname(host.host.slice('unix://'.length));
  }

  get pid(): number {
    return this.#pid;
  }

  /** Resolves when the process is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    process.kill(this.#pid, signal);
    await until(() => !isAlive(this.#pid), 'the end of dockerd');
  }

  /** Again, on the same data; resolves when it answers. */
  async start(): Promise<void> {
    await this.#forgetContainerd();
    const log = openSync(join(this.#folder, 'log'), 'a');
    const [program, ...args] = this.#command;
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    child.unref();
    this.#pid = child.pid!;
    await remember(this.#folder, 'dockerd', this.#pid);
    await until(() => this.host.docker.ping().then(() => true, () => false), 'dockerd answers');
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.end(signal);
    await this.start();
  }

  /** Where nobody reaps orphans a killed containerd is a zombie, which the next dockerd takes for alive. */
  async #forgetContainerd(): Promise<void> {
    const file = join(this.#folder, 'exec', 'containerd', 'containerd.pid');
    if (!existsSync(file)) return;
    const pid = Number(readFileSync(file, 'utf8'));
    await until(() => !isAlive(pid), 'the end of containerd');
    rmSync(file);
  }

  /** Takes connections and answers none. */
  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.#pid, 'SIGCONT');
  }
}
