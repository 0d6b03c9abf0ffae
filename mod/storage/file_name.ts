/**
 * The name under which a download is stored: the last part of the final address; after a redirect a file name that the
 * server sends wins. Never a path, never a hidden temporary name of ours, never `.` or `..`.
 */

/** Null when there is no usable name. */
export function fileNameOf(
  url: string,
  answer: { readonly redirected: boolean; readonly disposition: string | null },
): string | null {
  const sent = answer.redirected && answer.disposition !== null ? dispositionName(answer.disposition) : null;
  return usable(sent) ??
    usable(decoded(new URL(url).pathname.replace(/(?<!\/)\/+$/, '').split('/').at(-1) ?? ''));
}

/** `filename*` (RFC 5987) before `filename`. */
function dispositionName(header: string): string | null {
  const extended = /;\s*filename\*\s*=\s*(?:utf-8|iso-8859-1)'[^']*'([^;\s]+)/i.exec(header);
  if (extended) return decoded(extended[1]!);
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(header);
  if (quoted) return quoted[1]!.replaceAll(/\\(.)/g, '$1');
  return /;\s*filename\s*=\s*([^;\s]+)/i.exec(header)?.[1] ?? null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not UTF-8: the name as it was written is still a name.
    return text;
  }
}

function usable(name: string | null): string | null {
  // Only what is behind the last separator; control characters and the colon are no names on every system.
  const last = name?.split(/[/\\]/).at(-1)?.replaceAll(/[\p{Cc}:]/gu, '_').trim() ?? '';
  return last === '' || last === '.' || last === '..' || last.length > 255 ? null : last;
}
