/**
 * After a start: inputs and results of executions that had ended when the node was killed, which it was about to remove.
 * Their logs stay for their retention.
 */
import { removeFolder } from './access.ts';
import type { Executions } from './executions.ts';
import { runPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

/** Beside all other work, one folder after the other. Never rejects. */
export async function removeLeftovers(shop: Workshop, executions: Executions): Promise<void> {
  const { files, executionsFolder, log } = shop;
  try {
    for (const id of await files.names(executionsFolder)) {
      // What is held sees to its own; what has ended never runs again.
      if (executions.get(id)) continue;
      for (const run of await files.names(`${executionsFolder}/${id}`)) {
        if (executions.closing.aborted) return;
        const { folder, inputs, results } = runPaths(executionsFolder, id, Number(run));
        await removeFolder(shop, inputs, folder);
        await removeFolder(shop, results, folder);
      }
    }
  } catch (thrown) {
    log('warn', 'cannot remove what ended executions left', { error: String(thrown) });
  }
}
