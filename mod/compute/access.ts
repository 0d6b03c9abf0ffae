/**
 * Files of a run that its engine wrote as users who are strangers to this node. They are used as they are; only where that is
 * refused is the engine asked to give them to the node, since that takes its time.
 */
import type { Engine } from '../engine/mod.ts';
import type { Workshop } from './workshop.ts';

const REFUSED: readonly (string | undefined)[] = ['EACCES', 'EPERM'];

/**
 * @param folder the node's own, in which no program runs any more
 * @param step works on what is below it; may be called twice
 */
export async function withAccess<T>(shop: Workshop, folder: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    if (!REFUSED.includes((thrown as NodeJS.ErrnoException | null)?.code)) throw thrown;
    const engines = shop.providers.engines.all().filter((engine: Engine) => engine.reclaim);
    if (engines.length === 0) throw thrown;
    for (const engine of engines) await engine.reclaim!(folder);
    return await step();
  }
}

/**
 * Removes a folder of runs with all below it.
 * @param own the node's own folder that it is or lies in
 */
export function removeFolder(shop: Workshop, folder: string, own = folder): Promise<void> {
  return withAccess(shop, own, () => shop.files.remove(folder));
}
