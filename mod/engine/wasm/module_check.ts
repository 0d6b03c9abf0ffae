/** The modules that a task names are looked at before a process is given them: they must be there, and be modules. */
import { BacalhauError } from '../../model/mod.ts';
import { checkModule, RunFailure, type RunFrame, Tree } from '../../../runtime/wasi/mod.ts';

/** @throws BacalhauError of class `user` that names the module and says what it is */
export function checkModules({ entryModule, importModules, mounts }: RunFrame): void {
  const tree = new Tree(mounts);
  try {
    for (const path of [entryModule, ...importModules]) checkModule(tree, path);
  } catch (error) {
    if (!(error instanceof RunFailure) || error.end.kind !== 'failed') throw error;
    const { code, message, hint } = error.end;
    throw new BacalhauError(code, message, {
      component: 'WasmEngine',
      hint,
      details: { class: 'user' },
      cause: error,
    });
  } finally {
    tree.close();
  }
}
