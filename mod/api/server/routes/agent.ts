/** `/api/v1/agent`: the process that answers, whatever its roles (rest-api.md 7.1). */
import type { Hono } from 'hono';
import { buildVersionCodec, encodeNodeInfo } from '../../../model/mod.ts';
import type { ApiOptions } from '../options.ts';
import { type ApiEnv, reply } from '../context.ts';

export function agentRoutes(app: Hono<ApiEnv>, { backends: { agent }, version }: ApiOptions): void {
  const base = '/api/v1/agent';
  app.get(`${base}/alive`, (c) => reply(c, { Status: 'OK' }));
  app.get(`${base}/version`, (c) => reply(c, buildVersionCodec.encode(version)));
  app.get(`${base}/node`, async (c) => reply(c, encodeNodeInfo(await agent.node())));
  app.get(`${base}/debug`, async (c) => reply(c, await agent.debug()));
  app.get(`${base}/config`, async (c) => reply(c, { config: await agent.config() }));
  app.get(`${base}/authconfig`, (c) => reply(c, { Version: '1.0.0', Config: {} }));
}
