/** Nodes of this process, by settings as an operator gives them; they end with the scope, and their folder with them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type Sources } from '../../../mod/config/mod.ts';
import { noopEngine } from '../../../mod/engine/mod.ts';
import { type RunningNode, startNode } from '../../../mod/node/mod.ts';
import { realWorld } from '../../../runtime/world.ts';

const FREE = ['API.Host=127.0.0.1', 'API.Port=0', 'Orchestrator.Port=0', 'Publishers.Types.Local.Port=0'];

export interface Nodes extends AsyncDisposable {
  readonly folder: string;
  /** Lines of all of them. */
  readonly log: string[];
  /** @param settings as after `-c`; a later one of a key wins */
  start(name: string, settings: readonly string[], env?: Sources['env']): Promise<RunningNode>;
}

export function nodes(): Nodes {
  const folder = mkdtempSync(join(tmpdir(), 'nodes-'));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const log: string[] = [];
  return {
    folder,
    log,
    async start(name, settings, env = {}) {
      const { config } = await loadConfig({
        env: { HOME: folder, ...env },
        settings: [...FREE, `DataDir=${join(folder, name)}`, ...settings],
      });
      const engines = [noopEngine({ world: realWorld })];
      return stack.use(await startNode(config, { name, log: (line) => void log.push(line), engines }));
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** Of `GET /api/v1/…` */
export async function ask(node: RunningNode, path: string) {
  return await (await fetch(`${node.apiUrl}/api/v1/${path}`)).json();
}
