/** The grammar of label keys and values (job-spec.md 1.7), which is that of Kubernetes. */

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Constraints with this prefix are preferences. */
export const PREFERENCE_PREFIX = 'favour_';

/** Why `key` is no label key, or `undefined`. */
export function labelKeyComplaint(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = key.slice(0, Math.max(slash, 0));
  if (slash >= 0 && (prefix.length > 253 || !PREFIX.test(prefix))) {
    return `"${key}" is no label key: what stands before "/" must be a lower-case DNS name`;
  }
  if (NAME.test(key.slice(slash + 1))) return undefined;
  return `"${key}" is no label key: it has 1 to 63 letters, digits, "-", "_" or ".", a letter or digit at both ends`;
}

/** Why `value` is no label value, or `undefined`. */
export function labelValueComplaint(value: string): string | undefined {
  if (value === '' || NAME.test(value)) return undefined;
  return `"${value}" is no label value: it is empty or has up to 63 letters, digits, "-", "_" or ".", ` +
    'a letter or digit at both ends';
}
