/** Who may connect: everybody, holders of the token, or named users. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { NatsUser } from './options.ts';
import type { ConnectOptions } from './protocol.ts';

export interface Authenticator {
  readonly required: boolean;
  allows(client: ConnectOptions): boolean;
}

export function authenticator(
  token: string | undefined,
  users: readonly NatsUser[] | undefined,
): Authenticator {
  const tokenDigest = token ? digest(token) : null;
  const passwords = new Map(users?.map(({ user, password }) => [user, digest(password)]));
  return {
    required: tokenDigest !== null || passwords.size > 0,
    allows(client) {
      if (tokenDigest === null && passwords.size === 0) return true;
      if (tokenDigest !== null && timingSafeEqual(digest(client.token), tokenDigest)) return true;
      const password = passwords.get(client.user);
      return password !== undefined && timingSafeEqual(digest(client.password), password);
    },
  };
}

/** Equal length whatever the secret, so that comparing takes equal time. */
function digest(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest();
}
