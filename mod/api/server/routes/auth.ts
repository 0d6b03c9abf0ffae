/**
 * The legacy token flow (rest-api.md 6.3). Without authentication everything is allowed, but the original's command line
 * asks for a token before its first request, so a challenge is offered that any key can answer: the client signs the
 * node's id with its own RSA key and gets a token that is never looked at.
 */
import { Buffer } from 'node:buffer';
import { createHash, createPublicKey, generateKeyPair, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import type { Hono } from 'hono';
import type { ApiOptions } from '../options.ts';
import { readBody } from '../body.ts';
import { type ApiEnv, reply } from '../context.ts';
import { requestError } from '../errors.ts';

const METHOD = 'clientkey';
/** Permission bits of the original: read 1, write 2, download 4, cancel 8. */
const READ_AND_DOWNLOAD = 5;
const EVERYTHING = 15;
const TOKEN_LIFETIME_SECONDS = 30 * 24 * 60 * 60;

interface Answer {
  readonly signature: Buffer;
  readonly publicKey: KeyObject;
}

/** `MethodData` is base64 of a JSON document with two base64 members. */
function readAnswer(methodData: string): Answer {
  let document: { PhraseSignature?: unknown; PublicKey?: unknown };
  try {
    document = JSON.parse(Buffer.from(methodData, 'base64').toString());
  } catch (cause) {
    throw requestError(`Cannot read MethodData: ${(cause as Error).message}`, 500);
  }
  return {
    signature: Buffer.from(String(document.PhraseSignature ?? ''), 'base64'),
    publicKey: createPublicKey({
      key: Buffer.from(String(document.PublicKey ?? ''), 'base64'),
      format: 'der',
      type: 'pkcs1',
    }),
  };
}

/** Lower-case hex SHA-256 of the modulus. */
function clientId(publicKey: KeyObject): string {
  const modulus = Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
  return createHash('sha256').update(modulus).digest('hex');
}

/** @returns the client's id, or undefined when the answer is not signed by its own key */
function verifiedClient(methodData: string, phrase: string): string | undefined {
  const { signature, publicKey } = readAnswer(methodData);
  return verify('sha256', Buffer.from(phrase), publicKey, signature) ? clientId(publicKey) : undefined;
}

function makeToken(nodeId: string, client: string, key: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: nodeId,
    sub: client,
    aud: [nodeId],
    iat: now,
    exp: now + TOKEN_LIFETIME_SECONDS,
    ns: { '*': READ_AND_DOWNLOAD, [client]: EVERYTHING },
  };
  const content = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`;
}

export function authRoutes(app: Hono<ApiEnv>, { nodeId, bodyLimit }: ApiOptions): void {
  const requirement = {
    type: 'challenge',
    params: { InputPhrase: Buffer.from(nodeId).toString('base64') },
  };
  let key: Promise<KeyObject> | undefined;
  const signingKey = (): Promise<KeyObject> =>
    key ??= promisify(generateKeyPair)('rsa', { modulusLength: 2048 }).then(({ privateKey }) => privateKey);

  app.get('/api/v1/auth', (c) => reply(c, { NextToken: '', Methods: { [METHOD]: requirement } }));
  app.get(`/api/v1/auth/${METHOD}`, (c) => reply(c, requirement));
  app.post(`/api/v1/auth/${METHOD}`, async (c) => {
    const body = await readBody(c, bodyLimit);
    const methodData = body.text('MethodData');
    const refused = (reason: string) => reply(c, { Authentication: { success: false, reason } }, 401);
    let client: string | undefined;
    try {
      client = verifiedClient(methodData, nodeId);
    } catch (error) {
      // A key that OpenSSL cannot read is a wrong answer, not a fault of the server.
      if (error instanceof Error && 'code' in error && error.name !== 'BacalhauError') {
        return refused('the public key is not an RSA key in PKCS#1 form');
      }
      throw error;
    }
    if (client === undefined) return refused('the phrase is not signed by the given key');
    const token = makeToken(nodeId, client, await signingKey());
    return reply(c, { Authentication: { success: true, token } });
  });
}
