/** Parameters of a source spec: keys ignore case, unknown keys are ignored (job-spec.md 4.1). */
import { BacalhauError, type Refusal, type SpecConfig } from '../model/mod.ts';

export function param(spec: SpecConfig, name: string): unknown {
  const params = spec.Params ?? {};
  const key = Object.keys(params).find((key) => key.toLowerCase() === name.toLowerCase());
  return key === undefined ? undefined : params[key];
}

/** The text of a parameter, blanks around it removed; empty when it is absent. @throws BacalhauError when it is no text */
export function textParam(spec: SpecConfig, name: string): string {
  const value = param(spec, name);
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') {
    throw invalid(`Cannot use an input of type "${spec.Type}": ${name} must be a text, not ${typeof value}`);
  }
  return value.trim();
}

/** `true` or the text `true`. */
export function flagParam(spec: SpecConfig, name: string): boolean {
  const value = param(spec, name);
  return value === true || value === 'true';
}

/**
 * Whether a fetched input may be written to (compatibility.md A5). What is fetched is this execution's own copy, so granting
 * it harms nobody else.
 */
export function isWritable(spec: SpecConfig): boolean {
  return flagParam(spec, 'Writable');
}

/** An error of the one who wrote the spec: no other node can do better. */
export function invalid(message: string, hint = '', cause?: unknown): BacalhauError {
  return new BacalhauError('ValidationError', message, {
    component: 'Storage',
    hint,
    details: { class: 'user' },
    cause,
  });
}

/** Runs a check that throws, as the answer of a bid. */
export async function asRefusal(check: () => void | Promise<void>): Promise<Refusal | null> {
  try {
    await check();
    return null;
  } catch (thrown) {
    if (!(thrown instanceof BacalhauError)) throw thrown;
    return { code: thrown.code, reason: thrown.message, hint: thrown.hint, retryable: thrown.retryable };
  }
}
