/** Seeds 251 to 500 of the simulation (docs/invariants.md section 3). */
import { simulateMany } from './suite.ts';

simulateMany(251, 250);
