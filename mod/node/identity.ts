/**
 * Who this node is, kept in `identity.json` of the data directory from its first start on. A directory of the original
 * brings its node name along; its own file is only read.
 */
import { readFile } from 'node:fs/promises';
import type { Files } from '../../runtime/files/mod.ts';
import { hostname } from '../../runtime/machine.ts';
import type { World } from '../../runtime/world.ts';
import type { Config, DataDirLayout } from '../config/mod.ts';
import { BacalhauError, makeId } from '../model/mod.ts';
import { checkNodeId } from '../transport/mod.ts';

export interface Identity {
  readonly nodeId: string;
  /** Of this data directory; stays when the node is renamed. */
  readonly installId: string;
}

/**
 * @param wanted name that the operator gave (`--name`); kept from then on
 * @throws BacalhauError when the name cannot be a node id, or the file is damaged
 */
export async function loadIdentity(
  layout: DataDirLayout,
  files: Files,
  provider: Config['NameProvider'],
  world: World,
  wanted?: string,
): Promise<Identity> {
  const known = await readIdentity(layout.identityFile);
  const nodeId = wanted ?? known?.nodeId ?? await originalName(layout) ?? newName(provider, world);
  checkNodeId(nodeId);
  const identity = Object.freeze({ nodeId, installId: known?.installId ?? world.uuid() });
  if (known?.nodeId !== nodeId) {
    await files.write(layout.identityFile, `${JSON.stringify(identity, null, 2)}\n`);
  }
  return identity;
}

async function readIdentity(path: string): Promise<Identity | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const { nodeId, installId } = JSON.parse(text) as Partial<Identity>;
    if (nodeId && installId) return { nodeId, installId };
  } catch {
    // told below
  }
  throw new BacalhauError('ConfigurationError', `Cannot read identity "${path}": it is damaged`, {
    hint: 'Restore the file from a backup, or remove it and start with --name and the name the node had.',
  });
}

/** `NodeName` of the original's `system_metadata.yaml`, if this directory was used by it. */
async function originalName(layout: DataDirLayout): Promise<string | null> {
  const text = await readFile(layout.originalMetadataFile, 'utf8').catch(() => '');
  return /^NodeName:\s*["']?([^\s"']+)/im.exec(text)?.[1] ?? null;
}

function newName(provider: Config['NameProvider'], world: World): string {
  switch (provider) {
    case 'hostname':
      return hostname().replaceAll('.', '-');
    case 'uuid':
      return world.uuid();
    case 'puuid':
      return makeId('n', world.uuid());
    default:
      throw new BacalhauError('ConfigurationError', `Cannot name this node by "${provider}": not there yet`, {
        hint: 'Use NameProvider puuid, uuid or hostname, or start with --name.',
      });
  }
}
