/** Any origin may call, without credentials (rest-api.md 3.3). */

const METHODS = 'GET,HEAD,PUT,PATCH,POST,DELETE';

export function corsHeaders(origin: string | null): Record<string, string> {
  return origin === null ? { Vary: 'Origin' } : { Vary: 'Origin', 'Access-Control-Allow-Origin': '*' };
}

/** Answer to every `OPTIONS` request. */
export function preflight(origin: string | null, requestedHeaders: string | null): Response {
  const headers = corsHeaders(origin);
  if (origin !== null) {
    headers.Vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
    headers['Access-Control-Allow-Methods'] = METHODS;
    if (requestedHeaders) headers['Access-Control-Allow-Headers'] = requestedHeaders;
  }
  return new Response(null, { status: 204, headers });
}
