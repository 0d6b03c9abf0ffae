/** Global set-up of vitest: a name for the run's Docker daemon, and its end if a test started it. */
import process from 'node:process';
import { endDaemon, FOLDER_VARIABLE, makeFolder } from './docker_daemon.ts';

export default function setup(): (() => Promise<void>) | undefined {
  if (process.platform !== 'linux') return undefined;
  const folder = makeFolder();
  process.env[FOLDER_VARIABLE] = folder;
  return () => endDaemon(folder);
}
