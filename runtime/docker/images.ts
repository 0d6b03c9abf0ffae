/** Calls about images. */
import { authHeader } from './auth.ts';
import type { Images } from './client.ts';
import { DockerError } from './errors.ts';
import { statusLines } from './json_lines.ts';
import { parseReference } from './reference.ts';
import type { Call, Transport } from './transport.ts';
import type { DistributionInspect, ImageInspect, ImageSummary } from './types.ts';

export function imageCalls(transport: Transport): Images {
  const call = (ref: string, action: string, rest: Partial<Call> = {}): Call => ({
    // Names keep their slashes: the engine's router wants them so.
    path: `/images/${encodeURIComponent(ref).replaceAll('%2F', '/').replaceAll('%3A', ':')}${action}`,
    subject: ref,
    ...rest,
  });
  const lines = async function* (request: Call) {
    const body = await transport.stream(request);
    try {
      yield* statusLines(body, request.subject);
      if (request.signal?.aborted) throw transport.explain(undefined, request);
    } catch (error) {
      throw transport.explain(error, request);
    } finally {
      body.destroy();
    }
  };
  return {
    async inspect(ref, signal) {
      return await asImage(transport.json<ImageInspect>(call(ref, '/json', { signal })));
    },
    async distribution(ref, auth, signal) {
      const request = call(ref, '/json', { headers: auth ? authHeader(auth) : {}, signal });
      return await asImage(
        transport.json<DistributionInspect>({
          ...request,
          path: request.path.replace(/^\/images\//, '/distribution/'),
        }),
      );
    },
    async pull(ref, { platform, auth }, onProgress, signal) {
      const { name, version } = split(ref);
      const request: Call = {
        method: 'POST',
        path: '/images/create',
        query: { fromImage: name, tag: version, platform },
        headers: auth ? authHeader(auth) : {},
        signal,
        subject: ref,
      };
      let digest: string | undefined;
      try {
        for await (const { status, id, progressDetail } of lines(request)) {
          if (status === undefined) continue;
          digest = /^Digest: (\S+)/.exec(status)?.[1] ?? digest;
          const { current, total } = progressDetail ?? {};
          onProgress({
            status,
            ...(id !== undefined && { id }),
            ...(current !== undefined && { current }),
            ...(total !== undefined && total > 0 && { total }),
          });
        }
      } catch (error) {
        throw imageError(error);
      }
      return digest === undefined ? {} : { digest };
    },
    async push(ref, auth, signal) {
      const { name, version } = split(ref);
      let digest: string | undefined;
      const request = call(name, '/push', {
        method: 'POST',
        query: { tag: version },
        headers: authHeader(auth),
        signal,
      });
      for await (const { aux, status } of lines(request)) {
        digest = aux?.Digest ?? /digest: (\S+)/.exec(status ?? '')?.[1] ?? digest;
      }
      return digest === undefined ? {} : { digest };
    },
    list: (filters) => transport.json<ImageSummary[]>({ path: '/images/json', query: { filters } }),
    async remove(ref, { force } = {}) {
      await asImage(transport.json(call(ref, '', { method: 'DELETE', query: { force } })));
    },
    async import(tar, { repo, tag, changes, platform }, signal) {
      let id = '';
      const request: Call = {
        method: 'POST',
        path: '/images/create',
        // In one piece, since podman does not look at `tag` here.
        query: { fromSrc: '-', repo: `${split(repo).name}:${tag}`, changes: changes ?? [], platform },
        upload: tar,
        signal,
        subject: `${repo}:${tag}`,
      };
      for await (const { status } of lines(request)) {
        id = /^(?:sha256:)?([0-9a-f]{64})$/.exec(status ?? '')?.[1] ?? id;
      }
      return `sha256:${id}`;
    },
    async load(tar, signal) {
      const names: string[] = [];
      const request: Call = {
        method: 'POST',
        path: '/images/load',
        query: { quiet: true },
        upload: tar,
        signal,
      };
      for await (const { stream } of lines(request)) {
        const name = /^Loaded image(?: ID)?: (\S+)/.exec(stream ?? '')?.[1];
        if (name !== undefined) names.push(name);
      }
      return names;
    },
    tag: (ref, repo, tag) =>
      asImage(transport.done(call(ref, '/tag', { method: 'POST', query: { repo, tag } }))),
  };
}

/**
 * Full name and tag or digest, as the calls that talk to registries want them; a digest wins over a tag. Full, since
 * podman puts `localhost/` before what is short.
 */
function split(ref: string): { name: string; version: string } {
  let parsed;
  try {
    parsed = parseReference(ref);
  } catch (error) {
    throw new DockerError('ImageInvalid', (error as Error).message, { subject: ref, cause: error });
  }
  const { canonical, tag, digest } = parsed;
  const suffix = (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
  return { name: canonical.slice(0, canonical.length - suffix.length), version: digest ?? tag ?? 'latest' };
}

/** Where the call is about an image, what is not found is the image. */
async function asImage<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw imageError(error);
  }
}

function imageError(error: unknown): unknown {
  if (!(error instanceof DockerError) || error.code !== 'NotFound') return error;
  const { message, status, subject } = error;
  return new DockerError('ImageNotFound', message, { status, subject, cause: error });
}
