/** Seeds 751 to 1000 of the simulation (docs/invariants.md section 3). */
import { simulateMany } from './suite.ts';

simulateMany(751, 250);
