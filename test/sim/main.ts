/** Replays seeds: `deno run -A test/sim/main.ts --seed N [--count C] [--trace]`. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { runSeed, SimulationFailed } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
const [first, count] = [Number(values.seed), Number(values.count)];
for (let seed = first; seed < first + count; seed++) {
  try {
    const trace = values.trace ? (line: string) => console.log(line) : undefined;
    console.log(JSON.stringify(await runSeed(seed, trace ? { trace } : {})));
  } catch (error) {
    if (!(error instanceof SimulationFailed)) throw error;
    process.exitCode = 1;
    if (count === 1 && !values.trace) console.error(error.last.join('\n'));
    console.error(error.message);
    if (count === 1 && error.cause instanceof Error) console.error(error.cause.stack);
  }
}
