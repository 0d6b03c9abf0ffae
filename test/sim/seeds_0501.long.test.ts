/** Seeds 501 to 750 of the simulation (docs/invariants.md section 3). */
import { simulateMany } from './suite.ts';

simulateMany(501, 250);
