/** A server that could not be reached, in words. Imports nothing, since the start of a client pays for each module. */

export class NoAnswer extends Error {
  /**
   * @param route what was dialled: the origin in quotes, and the proxy on the way
   * @param why by default what the cause says; runtimes say the same in several ways and places
   */
  constructor(readonly route: string, cause: unknown, readonly why: string = reasonOf(cause)) {
    super(`no answer from ${route}: ${why}`, { cause });
  }
}

function reasonOf(error: unknown): string {
  let text = '';
  for (let each = error; each instanceof Error; each = each.cause) {
    text += `${(each as NodeJS.ErrnoException).code ?? ''} ${each.message}\n`;
  }
  if (/refused|Unable to connect|ECONNREFUSED/i.test(text)) return 'connection refused';
  if (/ENOTFOUND|EAI_AGAIN|dns error|failed to lookup|FailedToOpenSocket/i.test(text)) {
    return 'host not found';
  }
  if (/reset|closed|EPIPE|hang up/i.test(text)) return 'the connection was closed';
  return `network error: ${(text || String(error)).trim().split('\n')[0]}`;
}
