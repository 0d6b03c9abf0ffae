/** Files and folders of the node itself, mounted as they are, where the operator allows it (job-spec.md 4.5). */
import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { ContainedFiles, PathHandle } from '../../runtime/files/mod.ts';
import { BacalhauError, type SpecConfig } from '../model/mod.ts';
import {
  type Access,
  accessTo,
  type AllowEntry,
  type Location,
  parseAllowList,
  realLocation,
} from './allow_list.ts';
import { asRefusal, flagParam, invalid, textParam } from './params.ts';
import type { Source } from './source.ts';

/** Which paths of this node jobs may use. */
export interface LocalOptions {
  /** Entries `pattern[:ro|:rw]` of `Compute.AllowListedLocalPaths`. */
  readonly allowList: readonly string[];
}

const KEY = 'Compute.AllowListedLocalPaths';
const CREATE_AS: readonly string[] = ['', 'nocreate', 'dir', 'file'];

interface LocalSpec {
  readonly path: string;
  readonly readWrite: boolean;
  readonly createAs: string;
}

/** @throws SyntaxError when an entry of the allow-list is no pattern */
export function localSource(options: LocalOptions): Source {
  const allowed = parseAllowList(options.allowList);
  return {
    type: 'local',
    aliases: ['localDirectory'],
    available: () =>
      Promise.resolve(
        allowed.length > 0 ? null : {
          code: 'ConfigurationError',
          reason: 'this node allows no local paths',
          hint: `Start the node with ${KEY} set.`,
          retryable: false,
        },
      ),
    check: (spec) => asRefusal(async () => void await locate(readSpec(spec), allowed)),
    // Mounted, not copied.
    size: () => Promise.resolve(0),
    async prepare({ spec }) {
      const wanted = readSpec(spec);
      const found = await locate(wanted, allowed);
      if (!found.exists) await create(wanted, found);
      const handle = hold(wanted, found.real);
      try {
        // What is held counts, and not what the path led to a moment ago.
        await demandAccess(wanted, handle.path, allowed);
        if (!handle.isFile && !handle.isFolder) throw neither(wanted.path);
        return { hostPath: handle.path, handle, readOnly: !wanted.readWrite };
      } catch (error) {
        handle[Symbol.dispose]();
        throw error;
      }
    },
  };
}

/** @throws BacalhauError */
function readSpec(spec: SpecConfig): LocalSpec {
  const path = textParam(spec, 'SourcePath');
  const createAs = textParam(spec, 'CreateAs').toLowerCase();
  if (path === '') throw invalid('Cannot use a local input: it has no SourcePath', 'Give Params.SourcePath.');
  if (!isAbsolute(path) || path.includes('\0')) {
    throw invalid(
      `Cannot use the local path "${path}": it is not absolute`,
      'Give the whole path on the node.',
    );
  }
  if (!CREATE_AS.includes(createAs)) {
    throw invalid(
      `Cannot use the local path "${path}": CreateAs is "${createAs}"`,
      'Use dir, file or noCreate.',
    );
  }
  return { path, readWrite: flagParam(spec, 'ReadWrite'), createAs };
}

/**
 * Where the input really lies, once allowed.
 * @throws BacalhauError when it is not, or when it is missing and shall not be created
 */
async function locate(wanted: LocalSpec, allowed: readonly AllowEntry[]): Promise<Location> {
  const { path, readWrite, createAs } = wanted;
  const location = await realLocation(path).catch((cause: Error) => {
    throw invalid(`Cannot use the local path "${path}": ${reasonOf(cause)}`, '', cause);
  });
  await demandAccess(wanted, location.real, allowed);
  if (!location.exists) {
    if (readWrite && (createAs === 'dir' || createAs === 'file')) return location;
    throw new BacalhauError(
      'NotFound',
      `Cannot use the local path "${path}": this node has no such file or folder`,
      {
        component: 'Storage',
        hint: 'Check the path on the node; to have it made set ReadWrite and CreateAs to dir or file.',
        details: { class: 'infrastructure' },
      },
    );
  }
  const found = await stat(location.real);
  if (!found.isFile() && !found.isDirectory()) throw neither(path);
  return location;
}

/** @throws BacalhauError unless this node allows it to be used as the spec wants to */
async function demandAccess(
  { path, readWrite }: LocalSpec,
  real: string,
  allowed: readonly AllowEntry[],
): Promise<void> {
  const access = await accessTo(real, allowed);
  if (access === 'none' || (readWrite && access !== 'write')) throw notAllowed(path, real, readWrite, access);
}

function hold({ path }: LocalSpec, real: string): PathHandle {
  try {
    return new PathHandle(real);
  } catch (cause) {
    throw invalid(`Cannot use the local path "${path}": ${(cause as Error).message}`, '', cause);
  }
}

function neither(path: string): BacalhauError {
  return invalid(`Cannot use the local path "${path}": it is neither a file nor a folder`);
}

function notAllowed(path: string, real: string, readWrite: boolean, access: Access): BacalhauError {
  // Where links of this host lead is nobody else's business.
  const what = real === path.replace(/(?<=[^/])\/+$/, '') ? 'it' : 'what it leads to';
  const [why, entry] = access === 'read'
    ? [`${what} is not allow-listed for writing on this node`, `${path}:rw`]
    : [`${what} is not allow-listed on this node`, readWrite ? `${path}:rw` : path];
  return new BacalhauError('Forbidden', `Cannot use the local path "${path}": ${why}`, {
    component: 'Storage',
    hint: `Start the node with -c ${KEY}=${entry} (or a pattern such as ${dirname(path)}/**${
      readWrite ? ':rw' : ''
    }).`,
    details: { class: 'user', path },
  });
}

/** Makes what is missing, for this user only, parents included, in the folder that was found and nowhere else. */
async function create({ path, createAs }: LocalSpec, { real, existing }: Location): Promise<void> {
  try {
    using files = new ContainedFiles(existing, null);
    if (files.real !== existing) throw new Error(`"${existing}" was exchanged meanwhile`);
    if (createAs === 'dir') return await files.makeFolder(real);
    if (path.endsWith('/')) throw new Error('the name of a file cannot end in "/"');
    await files.makeFolder(dirname(real));
    await (await files.open(real, constants.O_WRONLY | constants.O_CREAT, 0o700)).close();
  } catch (cause) {
    throw invalid(`Cannot create the local path "${path}": ${reasonOf(cause)}`, '', cause);
  }
}

/** Without the path that the system names, which links may have led to. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EACCES' ? 'permission denied' : code ?? message;
}
