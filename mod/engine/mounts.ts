/**
 * What a run mounts, held by handle: names may be exchanged between the moment a path was checked and the one it is mounted,
 * by other jobs with access to the folder above. What the node's own folders hold is looked up in them without following
 * links; what a source has checked comes with its handle.
 */
import { relative } from 'node:path';
import { ContainedFiles, PathHandle } from '../../runtime/files/mod.ts';
import { BacalhauError } from '../model/mod.ts';
import type { RunRequest } from './engine.ts';

export class HeldMounts implements Disposable {
  readonly #handles = new Map<string, PathHandle>();
  /** Those that are not the source's. */
  readonly #own = new DisposableStack();

  /** Until it is disposed, which is to be when the run is over. @throws BacalhauError */
  static async of({ directory, inputs, outputs }: RunRequest): Promise<HeldMounts> {
    using stack = new DisposableStack();
    const held = stack.use(new HeldMounts());
    for (const mount of [...inputs, ...outputs]) {
      const { hostPath } = mount;
      try {
        const checked = 'handle' in mount ? mount.handle : undefined;
        held.#handles.set(hostPath, checked ?? held.#own.use(await hold(directory, hostPath)));
      } catch (cause) {
        throw exchanged(hostPath, cause);
      }
    }
    stack.move();
    return held;
  }

  /** Of what is at a path of the request; see {@link PathHandle.identity}. */
  identity(hostPath: string): string {
    return this.#handles.get(hostPath)!.identity;
  }

  /** Once more before the program starts. @throws BacalhauError when something was exchanged */
  check(): void {
    for (const [hostPath, handle] of this.#handles) {
      try {
        handle.check();
      } catch (cause) {
        throw exchanged(hostPath, cause);
      }
    }
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    this.#own.dispose();
  }
}

async function hold(directory: string, path: string): Promise<PathHandle> {
  if (!isBelow(directory, path)) return new PathHandle(path);
  using files = new ContainedFiles(directory, null);
  return await files.hold(path);
}

/** Whether a path is in a folder. */
export function isBelow(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== '' && !way.startsWith('..');
}

function exchanged(path: string, cause: unknown): BacalhauError {
  return new BacalhauError('MountChanged', `Cannot mount "${path}": ${(cause as Error).message}`, {
    hint: 'Somebody with access to the folder above moved it while the run was prepared; run the job again',
    retryable: true,
    details: { class: 'infrastructure' },
    cause,
  });
}
