/**
 * The API as a Hono app. The order of the stages decides which headers an error carries (rest-api.md section 2): request
 * id, body limit, rate limit, time limit, server headers, version gate, handler.
 */
import { Hono } from 'hono';
import { BacalhauError } from '../../model/mod.ts';
import { tooLarge } from './body.ts';
import { type ApiContext, type ApiEnv, reply, replyError } from './context.ts';
import { corsHeaders, preflight } from './cors.ts';
import { Deadlines } from './deadlines.ts';
import { requestError, unknownRoute } from './errors.ts';
import type { ApiOptions } from './options.ts';
import { Query } from './query.ts';
import { clientAddress, isLoopback, RateLimiter } from './rate_limit.ts';
import { requestId, serverHeaders } from './server_headers.ts';
import { agentRoutes } from './routes/agent.ts';
import { authRoutes } from './routes/auth.ts';
import { jobRoutes } from './routes/jobs.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { checkClientVersion } from './version_gate.ts';

const REDIRECTS: Readonly<Record<string, string>> = {
  '/': '/api/v1/agent/version',
  '/version': '/api/v1/agent/version',
  '/livez': '/api/v1/agent/alive',
};

/** The app and what must be let go of with it. */
export function createApp(options: ApiOptions): { app: Hono<ApiEnv>; close(): void } {
  const app = new Hono<ApiEnv>();
  const limiter = new RateLimiter(options.rateLimit);
  const deadlines = new Deadlines(options.handlerTimeout);
  const fixedHeaders = serverHeaders(options.version);

  const isLimited = (c: ApiContext): boolean => {
    const address = clientAddress(c.env.incoming, options.trustedProxies);
    return !isLoopback(address) && !limiter.take(address);
  };

  app.use('*', async (c, next) => {
    const request = c.req.raw.headers;
    const origin = request.get('origin');
    if (c.req.method === 'OPTIONS') return preflight(origin, request.get('access-control-request-headers'));
    const headers = corsHeaders(origin);
    const id = headers['X-Request-Id'] = request.get('x-request-id') || requestId();
    c.set('headers', headers);
    c.set('requestId', id);
    c.set('query', new Query(c.req.url));
    if (Number(request.get('content-length') ?? 0) > options.bodyLimit) throw tooLarge(options.bodyLimit);
    if (isLimited(c)) throw requestError('rate limit exceeded', 429, 'Send fewer requests per second.');
    await deadlines.race(handle(c, next), () => {
      c.res = replyError(
        c,
        new BacalhauError('ServiceUnavailable', 'Server Timeout!', {
          component: 'APIServer',
          hint: 'The server is overloaded or waits for its disk; try again.',
        }),
      );
    });
  });

  async function handle(c: ApiContext, next: () => Promise<void>): Promise<void> {
    Object.assign(c.get('headers'), fixedHeaders);
    const client = c.req.raw.headers.get('x-bacalhau-git-version') ?? '';
    const refusal = checkClientVersion(client, options.version.GitVersion, c.get('requestId'));
    if (refusal) {
      c.res = reply(c, refusal.body, refusal.status);
    } else if (c.req.method === 'HEAD') {
      // Hono answers HEAD like GET; the original knows no HEAD.
      const status = c.req.path in REDIRECTS ? 405 : 404;
      c.res = new Response(null, { status, headers: c.get('headers') });
    } else {
      await next();
    }
  }

  for (const [path, target] of Object.entries(REDIRECTS)) {
    app.get(
      path,
      (c) => new Response(null, { status: 301, headers: { ...c.get('headers'), Location: target } }),
    );
    app.all(path, (c) => {
      c.get('headers').Allow = 'OPTIONS, GET';
      throw requestError(`Cannot ${c.req.method} "${path}": method not allowed`, 405);
    });
  }
  agentRoutes(app, options);
  if (options.backends.jobs) {
    authRoutes(app, options);
    jobRoutes(app, options.backends.jobs, options);
  }
  if (options.backends.nodes) nodeRoutes(app, options.backends.nodes);

  app.notFound((c) => replyError(c, unknownRoute(c.req.method, c.req.path)));
  app.onError((error, c) => {
    if (!(error instanceof BacalhauError) || error.status >= 500) {
      options.onError(error, c.req.method, c.req.path);
    }
    return replyError(c, error);
  });
  return { app, close: () => deadlines.close() };
}
