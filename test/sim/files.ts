/** Files of a simulated node: real ones (in tmpfs), but each call is synchronous underneath, so that rest is rest. */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Files } from '../../runtime/files/mod.ts';
import type { SimWorld } from './clock.ts';

/** After the crash of its world no call settles, nor has any effect. */
export function simFiles(world: SimWorld): Files {
  const call = <T>(effect: () => T): Promise<T> =>
    world.crashed ? new Promise(() => undefined) : new Promise((done) => done(effect()));
  return {
    makeFolder: (path) => call(() => void mkdirSync(path, { recursive: true })),
    remove: (path) => call(() => rmSync(path, { recursive: true, force: true })),
    names: (path) =>
      call(() => {
        const entry = statSync(path, { throwIfNoEntry: false });
        return entry ? readdirSync(path).sort() : [];
      }),
    usage: () => call(() => 0),
    write: (path, data) =>
      call(() => {
        writeFileSync(`${path}.tmp`, data);
        renameSync(`${path}.tmp`, path);
      }),
    copy: (from, to) =>
      call(() => {
        if (statSync(from, { throwIfNoEntry: false })) copyFileSync(from, to);
      }),
    sync: () => call(() => undefined),
    free: () => call(() => 1e12),
  };
}
