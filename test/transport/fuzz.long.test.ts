/** 10^5 random and mutated envelopes. */
import { it } from 'vitest';
import { fuzz } from './fuzz.ts';

it.each([11, 12, 13, 14])('seed %i', (seed) => fuzz(seed, 25_000), 300_000);
