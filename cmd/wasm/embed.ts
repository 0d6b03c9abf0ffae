/** A local module as an inline input (job-spec.md 4.6): small files as they are, larger ones as tar.gz. */
import { Buffer } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BacalhauError, type SpecConfig } from '../../mod/model/mod.ts';
import { headerComplaint } from '../../runtime/wasi/mod.ts';

/** Up to this many bytes a file is embedded without compression. */
const PLAIN_LIMIT = 512;
const FILE_LIMIT = 10 * 1024 * 1024;

/** @throws BacalhauError when the file cannot be read, is too large or is no WebAssembly */
export async function embedModule(path: string): Promise<SpecConfig> {
  const content = await readModule(path);
  if (content.length <= PLAIN_LIMIT) return inline('application/wasm', content);
  const { default: tar } = await import('tar-stream');
  const pack = tar.pack();
  pack.entry({ name: basename(path), mode: 0o644, mtime: new Date(0) }, content);
  pack.finalize();
  return inline('application/gzip', await promisify(gzip)(await buffer(pack)));
}

function inline(type: string, content: Uint8Array): SpecConfig {
  return {
    Type: 'inline',
    Params: { URL: `data:${type};base64,${Buffer.from(content).toString('base64')}` },
  };
}

async function readModule(path: string): Promise<Buffer> {
  let content: Buffer;
  try {
    if (!(await stat(path)).isFile()) throw refused(path, 'it is not a file');
    content = await readFile(path);
  } catch (cause) {
    throw cause instanceof BacalhauError ? cause : refused(path, (cause as Error).message);
  }
  if (content.length > FILE_LIMIT) {
    throw refused(path, `it has ${content.length} bytes, more than the ${FILE_LIMIT} that can be embedded`);
  }
  const complaint = headerComplaint(content);
  if (complaint) throw refused(path, complaint.why, complaint.hint);
  return content;
}

function refused(
  path: string,
  why: string,
  hint = 'Give a compiled module (.wasm), or a URL such as https://host/module.wasm.',
): BacalhauError {
  return new BacalhauError('BadRequest', `Cannot use module "${path}": ${why}`, { hint });
}
