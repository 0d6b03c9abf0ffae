/** Seeds 1 to 250 of the simulation (docs/invariants.md section 3). */
import { simulateMany } from './suite.ts';

simulateMany(1, 250);
