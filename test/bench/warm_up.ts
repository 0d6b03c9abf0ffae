/** A server that has run for a while is compiled by its runtime; one that was just started is not what is measured. */
import { Connection, load } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const COUNT = 500;

/** Sends empty modules through the servers and resolves when all have run. @throws Error when one fails */
export async function warmUp(apiPort: number): Promise<void> {
  const body = JSON.stringify(wasmJob());
  const answers = await load(apiPort, 8, COUNT, () => ({ method: 'PUT', path: JOBS, body }));
  using api = new Connection(apiPort);
  for (const answer of answers) {
    const { JobID } = JSON.parse(answer.body) as { JobID: string };
    for (let state = ''; state !== 'Completed';) {
      const { Job } = await api.json<{ Job: { State: { StateType: string } } }>('GET', `${JOBS}/${JobID}`);
      state = Job.State.StateType;
      if (state === 'Failed') throw new Error(`job ${JobID} failed`);
    }
  }
}
