import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isValidSubject } from '../../../runtime/nats/subject.ts';
import { Sublist, type Subscribed } from '../../../runtime/nats/sublist.ts';

const words = (maxLength: number, ...choice: string[]) =>
  fc.array(fc.constantFrom(...choice), { minLength: 1, maxLength }).map((w) => w.join('.'));
/** Few short ones, so that a subject is looked up again after a change, and some long ones. */
const subject = fc.oneof({ weight: 4, arbitrary: words(2, 'a', 'b') }, words(4, 'a', 'b', 'c'));
const pattern = fc.oneof({ weight: 4, arbitrary: words(2, 'a', 'b', '*', '>') }, words(4, 'a', 'b', '*', '>'))
  .filter(isValidSubject);

/** The rule as the protocol's documentation words it. */
function matches(pattern: string, subject: string): boolean {
  const p = pattern.split('.');
  const s = subject.split('.');
  if (p.at(-1) === '>') {
    return s.length >= p.length && p.slice(0, -1).every((w, i) => w === '*' || w === s[i]);
  }
  return p.length === s.length && p.every((w, i) => w === '*' || w === s[i]);
}

describe('the list of subscriptions', () => {
  test('matches as the plain rule does, after any adding and removing', () => {
    const step = fc.oneof(
      fc.record({ add: pattern, queue: fc.constantFrom('', 'q', 'p') }),
      fc.record({ remove: fc.nat(20) }),
      fc.record({ look: subject }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const list = new Sublist<Subscribed>();
        const present: Subscribed[] = [];
        for (const step of steps) {
          if ('add' in step) {
            const subscription = { subject: step.add, queue: step.queue };
            list.add(subscription);
            present.push(subscription);
          } else if ('remove' in step) {
            const [gone] = present.splice(step.remove % Math.max(present.length, 1), 1);
            if (gone) {
              list.remove(gone);
              list.remove(gone);
            }
          } else {
            const expected = present.filter((s) => matches(s.subject, step.look));
            const { plain, queues } = list.match(step.look);
            expect(new Set(plain)).toEqual(new Set(expected.filter((s) => s.queue === '')));
            expect(plain).toHaveLength(new Set(plain).size);
            expect(new Set(queues.flat())).toEqual(new Set(expected.filter((s) => s.queue !== '')));
            for (const group of queues) expect(new Set(group.map((s) => s.queue)).size).toBe(1);
            expect(queues).toHaveLength(new Set(expected.filter((s) => s.queue).map((s) => s.queue)).size);
          }
          expect(list.size).toBe(present.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('does not grow with reply subjects that were used once', () => {
    const list = new Sublist<Subscribed>();
    list.add({ subject: '_INBOX.x.*', queue: '' });
    for (let i = 0; i < 10_000; i++) expect(list.match(`_INBOX.x.${i}`).plain).toHaveLength(1);
  });
});
