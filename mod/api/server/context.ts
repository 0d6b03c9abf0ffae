/** What one request carries through the pipeline, and how handlers answer it. */
import { addMemoryPressure } from '../../../runtime/memory_pressure.ts';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { stringifyJson } from '../../model/mod.ts';
import { errorBody } from './errors.ts';
import { indented } from './json_text.ts';
import { Query } from './query.ts';

export interface ApiEnv {
  Bindings: HttpBindings;
  Variables: {
    requestId: string;
    /** Grows stage by stage; an answer carries those of the stages it passed (rest-api.md section 2). */
    headers: Record<string, string>;
    query: Query;
  };
}
export type ApiContext = Context<ApiEnv>;

export function jsonHeaders(c: ApiContext): Record<string, string> {
  const headers = c.get('headers');
  headers['Content-Type'] = 'application/json';
  return headers;
}

/** @param text JSON; the answer ends with a newline and is indented when the query has `pretty` */
export function replyText(c: ApiContext, text: string, status = 200): Response {
  const headers = jsonHeaders(c);
  const body = c.get('query').has('pretty') ? indented(text) : text;
  addMemoryPressure(4 * body.length);
  return new Response(`${body}\n`, { status, headers });
}

export function reply(c: ApiContext, value: unknown, status = 200): Response {
  return replyText(c, stringifyJson(value), status);
}

export function replyError(c: ApiContext, thrown: unknown): Response {
  const body = errorBody(thrown, c.get('requestId'));
  return reply(c, body, body.Status);
}
