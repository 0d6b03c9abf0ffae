/** Image names as the distribution project reads them. https://pkg.go.dev/github.com/distribution/reference */

/** The parts of an image's name. */
export interface ImageReference {
  /** `docker.io` where the text names no registry. */
  readonly domain: string;
  /** Without domain, with `library/` where Docker Hub adds it. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
  /** As a person writes it: `ubuntu`, `user/image:tag`, `ghcr.io/a/b`. Tag and digest as given. */
  readonly familiar: string;
  /** `docker.io/library/ubuntu`, with tag and digest as given. */
  readonly canonical: string;
}

const HUB = 'docker.io';

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const DOMAIN_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?$`,
);
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
/** Hex digits of the algorithms that OCI registers. */
const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const MAX_NAME = 255;
/** With the longest tag and digest. */
const MAX_TEXT = 1024;

/** @throws RangeError when the text is no image reference */
export function parseReference(text: string): ImageReference {
  const refuse = (why: string) => new RangeError(`Cannot parse the image reference "${text}": ${why}`);
  if (text.length > MAX_TEXT) {
    throw new RangeError(`Cannot parse an image reference: it is longer than ${MAX_TEXT} characters`);
  }
  if (text === '') throw refuse('it is empty');
  if (/^[a-f0-9]{64}$/.test(text)) throw refuse('64 hexadecimal digits are an id, not a name');

  const [named, digest, ...more] = text.split('@') as [string, string?, ...string[]];
  if (more.length > 0) throw refuse('it holds more than one "@"');
  if (digest !== undefined && !isDigest(digest)) throw refuse(`"${digest}" is not a digest`);

  const { domain, rest } = splitDomain(named);
  const colon = rest.lastIndexOf(':');
  const tag = colon === -1 ? undefined : rest.slice(colon + 1);
  const bare = colon === -1 ? rest : rest.slice(0, colon);
  const path = domain === HUB && !bare.includes('/') ? `library/${bare}` : bare;

  if (!DOMAIN.test(domain)) throw refuse(`"${domain}" is not a registry`);
  if (bare !== bare.toLowerCase()) throw refuse('the repository name must be lower case');
  if (!PATH.test(path)) throw refuse(`"${bare}" is not a repository name`);
  if (tag !== undefined && !TAG.test(tag)) throw refuse(`"${tag}" is not a tag`);
  if (`${domain}/${path}`.length > MAX_NAME) throw refuse(`the name is longer than ${MAX_NAME} characters`);

  const suffix = (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
  const short = domain === HUB ? path.replace(/^library\/(?=[^/]+$)/, '') : `${domain}/${path}`;
  return Object.freeze({
    domain,
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    familiar: short + suffix,
    canonical: `${domain}/${path}${suffix}`,
  });
}

/** The first part is a registry when it looks like a host: a dot, a port, an upper case letter, or `localhost`. */
function splitDomain(named: string): { domain: string; rest: string } {
  const slash = named.indexOf('/');
  const first = slash === -1 ? '' : named.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return { domain: HUB, rest: named };
  const domain = first === 'index.docker.io' ? HUB : first;
  return { domain, rest: named.slice(slash + 1) };
}

function isDigest(text: string): boolean {
  if (!DIGEST.test(text)) return false;
  const [algorithm, hex] = text.split(':') as [string, string];
  return hex.length === DIGEST_LENGTHS[algorithm] && hex === hex.toLowerCase();
}
