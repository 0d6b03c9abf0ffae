/** Label constraints with the operators of Kubernetes selectors (job-spec.md 1.7). */
import type { Constraint, StringMap } from '../../model/mod.ts';

const INTEGER = /^[+-]?[0-9]{1,63}$/;

function compare(label: string | undefined, wanted: string | undefined): number {
  if (label === undefined || wanted === undefined || !INTEGER.test(label) || !INTEGER.test(wanted)) {
    return NaN;
  }
  const difference = BigInt(label) - BigInt(wanted);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

/** Whether labels satisfy the constraint. An unknown operator, or one whose value is no integer, never holds. */
export function holds(constraint: Constraint, labels: StringMap): boolean {
  const label = Object.hasOwn(labels, constraint.Key) ? labels[constraint.Key] : undefined;
  const values = constraint.Values ?? [];
  switch (constraint.Operator) {
    case '=':
    case '==':
    case 'in':
      return label !== undefined && values.includes(label);
    case '!=':
    case 'notin':
      return label === undefined || !values.includes(label);
    case 'exists':
      return label !== undefined;
    case '!':
      return label === undefined;
    case 'gt':
      return compare(label, values[0]) > 0;
    case 'lt':
      return compare(label, values[0]) < 0;
    default:
      return false;
  }
}

/** The constraint as a person would write it, for messages. */
export function constraintText({ Key, Operator, Values = [] }: Constraint): string {
  switch (Operator) {
    case 'exists':
      return Key;
    case '!':
      return `!${Key}`;
    case 'gt':
      return `${Key} > ${Values[0] ?? ''}`;
    case 'lt':
      return `${Key} < ${Values[0] ?? ''}`;
    case 'in':
    case 'notin':
      return `${Key} ${Operator} (${Values.join(', ')})`;
    default:
      return `${Key} ${Operator} ${Values.join(', ')}`;
  }
}
