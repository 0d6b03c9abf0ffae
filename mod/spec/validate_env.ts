/** Names and values of `Env` (job-spec.md 1.10). */

export const RESERVED_PREFIX = 'BACALHAU_';

/**
 * The first rule that the variable breaks, or `undefined`.
 * @param anyCase whether names may have lower-case letters, which the original refuses
 */
export function envComplaint(name: string, value: string, anyCase: boolean): string | undefined {
  const which = `environment variable "${name}"`;
  if (name === '') return 'the name of an environment variable is empty';
  const upper = name.toUpperCase();
  if (name !== upper && !anyCase) return `${which} must be upper case`;
  if (!/^\p{L}/u.test(name)) return `${which} must begin with a letter`;
  if (!/^[\p{L}\p{Nd}_]*$/u.test(name)) return `${which} may only have letters, digits and underscores`;
  if (upper.startsWith(RESERVED_PREFIX)) return `${which} cannot start with ${RESERVED_PREFIX}`;
  return value === '' ? `${which} has no value` : undefined;
}
