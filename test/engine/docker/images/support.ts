/** A registry behind a proxy that a test can make refuse, stall or vanish, and images that exist once. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { TestDocker } from '../../../support/docker.ts';

/** True when the hook has answered (or keeps the client waiting). */
export type Hook = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface Proxy extends AsyncDisposable {
  readonly address: string;
  hook: Hook;
  /** Sees each answer that has begun; bytes after these are kept back for ever. */
  stall: { readonly bytes: number; readonly onStall: (response: ServerResponse) => void } | null;
}

/** Listens on a port of its own and hands everything on, unless the hook answers. */
export async function proxyOf(target: string): Promise<Proxy> {
  const [host, port] = target.split(':');
  const server = createServer((incoming, response) => {
    if (proxy.hook(incoming, response)) return;
    const { method, url, headers } = incoming;
    const outgoing = request({ host, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      if (!proxy.stall || Number(answer.headers['content-length']) <= proxy.stall.bytes) {
        return answer.pipe(response);
      }
      const { bytes, onStall } = proxy.stall;
      answer.once('data', (chunk: Uint8Array) => {
        answer.destroy();
        response.write(chunk.subarray(0, bytes));
        onStall(response);
      });
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: Proxy = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hook: () => false,
    stall: null,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

/** What a registry that has had enough answers. */
export function tooMany(response: ServerResponse): true {
  response.writeHead(429, {
    'content-type': 'application/json',
    'docker-distribution-api-version': 'registry/2.0',
  });
  response.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}');
  return true;
}

/** An image that no other test has, whose layer the engine must really fetch once it is removed. */
export async function uniqueImage(docker: TestDocker, changes: readonly string[] = []): Promise<string> {
  const mark = randomBytes(6).toString('hex');
  return await docker.image(`bacalhau-test/unique:${mark}`, changes, { 'etc/mark': mark });
}

/** Pushes a new image and removes it here, so that only the registry has it. */
export async function onlyAt(
  docker: TestDocker,
  registry: { push(image: string, name: string): Promise<{ ref: string; digest: string }> },
  name: string,
  changes: readonly string[] = [],
): Promise<{ ref: string; digest: string; id: string }> {
  const image = await uniqueImage(docker, changes);
  const { Id } = await docker.docker.images.inspect(image);
  const pushed = await registry.push(image, name);
  await docker.docker.images.remove(pushed.ref);
  await docker.docker.images.remove(image);
  return { ...pushed, id: Id };
}

export function manifestRequests(registry: { requests(): readonly string[] }): string[] {
  return registry.requests().filter((line) => line.includes('/manifests/') && !line.startsWith('PUT'));
}

export function blobRequests(registry: { requests(): readonly string[] }): string[] {
  return registry.requests().filter((line) => line.startsWith('GET') && line.includes('/blobs/sha256'));
}
