/** A little of the fuzzing in `fuzz.ts`; the long tier does more. */
import { it } from 'vitest';
import { fuzz } from './fuzz.ts';

it('random and mutated envelopes end neither end, and get short answers', () => fuzz(1, 2_000));
