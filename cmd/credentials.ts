/** Credentials from the environment (cli.md 5.3): an API key, or a user with a password, never both. */
import { Buffer } from 'node:buffer';
import { BacalhauError } from '../mod/model/errors.ts';

/** Value of the header `Authorization`, or undefined. @throws BacalhauError when the variables contradict each other */
export function credentials(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const key = env.BACALHAU_API_KEY?.trim();
  const user = env.BACALHAU_API_USERNAME?.trim();
  const password = env.BACALHAU_API_PASSWORD?.trim();
  if (key && (user || password)) {
    throw wrong('BACALHAU_API_KEY is set together with a user name or password', 'Unset one of the two.');
  }
  if (key) return `Bearer ${key}`;
  if (Boolean(user) !== Boolean(password)) {
    throw wrong(
      'only one of user name and password is set',
      'Set BACALHAU_API_USERNAME and BACALHAU_API_PASSWORD.',
    );
  }
  return user ? `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` : undefined;
}

function wrong(why: string, hint: string): BacalhauError {
  return new BacalhauError('ConfigurationError', `Cannot sign in: ${why}`, { hint });
}
