/** Where the API is, from host and port as a person gives them (cli.md 5.2). */
import { BacalhauError } from '../../model/mod.ts';

/**
 * `http://127.0.0.1:1234` of `0.0.0.0` and 1234. A host may be a whole URL without a path: its scheme and port win.
 * @throws BacalhauError `ValidationError` when the host is neither a name, an address nor such a URL
 */
export function endpointUrl(host: string, port: number, useTls = false): string {
  const text = host.trim();
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const name = text === '0.0.0.0' || text === ''
      ? '127.0.0.1'
      : text.includes(':')
      ? bracketed(text)
      : text;
    return checked(`${useTls ? 'https' : 'http'}://${name}:${port}`, host);
  }
  const match = /^(https?):\/\/([^/?#@]+?)\/?$/i.exec(text);
  if (!match) throw invalid(host);
  const [, scheme, authority] = match;
  const bare = authority!.includes('::') && !authority!.startsWith('[') ? bracketed(authority!) : authority!;
  const withPort = /:\d+$/.test(bare.replace(/^\[[^\]]*\]/, '')) ? bare : `${bare}:${port}`;
  return checked(`${scheme!.toLowerCase()}://${withPort.replace(/^0\.0\.0\.0(?=:)/, '127.0.0.1')}`, host);
}

function bracketed(address: string): string {
  return address.startsWith('[') ? address : `[${address}]`;
}

function checked(url: string, host: string): string {
  if (!URL.canParse(url)) throw invalid(host);
  return url;
}

function invalid(host: string): BacalhauError {
  return new BacalhauError(
    'ValidationError',
    `Cannot use API host "${host}": it is no host name, address or URL`,
    {
      hint:
        'Write a name (api.example.org), an address (10.0.0.5) or a URL without a path (https://api.example.org).',
    },
  );
}
