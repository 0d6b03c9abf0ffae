/** Engines come and go (a Docker daemon that starts later): all are asked again from time to time. */
import type { ComputeNode } from '../compute/mod.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { World } from '../../runtime/world.ts';

/** Until disposed. What changed is logged, and told to the orchestrator with the next node info. */
export function keepRefreshed(node: ComputeNode, world: World, logger: Logger, everyMs: number): Disposable {
  const engines = () => node.nodeInfo().ComputeNodeInfo.ExecutionEngines ?? [];
  let timer: Disposable | undefined;
  let closed = false;
  const arm = () => {
    if (!closed) timer = world.after(everyMs, () => void ask());
  };
  async function ask(): Promise<void> {
    const before = engines();
    try {
      await node.refresh();
    } catch (thrown) {
      logger.log('warn', 'engines, sources and publishers could not be asked again', {
        error: String(thrown),
      });
    }
    const now = engines();
    for (const engine of now.filter((name) => !before.includes(name))) {
      logger.log('info', `engine ${engine} can be used now`, {});
    }
    for (const engine of before.filter((name) => !now.includes(name))) {
      logger.log('warn', `engine ${engine} can no longer be used`, {});
    }
    arm();
  }
  arm();
  return {
    [Symbol.dispose]() {
      closed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
