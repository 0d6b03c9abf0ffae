/**
 * A process that submits jobs and says so: `writer_child.ts <file> <parallel writers> <jobs each>`. It prints `ready`, then
 * `ok <id>` for each answered write, in one write call each, and `done <json>` at the end.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { realWorld } from '../../runtime/world.ts';
import { changes, openOrchestratorStore } from '../../mod/store/mod.ts';
import { sampleExecution, sampleJob } from './samples.ts';

const [path, writers, jobs] = process.argv.slice(2);
const store = await openOrchestratorStore({ path: path!, world: realWorld, orchestratorId: 'n-0' });
const start = Date.now().toString(36);
writeSync(1, 'ready\n');
const before = store.stats().commits;
using watch = store.watch(changes.evaluations);

await Promise.all(Array.from({ length: Number(writers) }, async (_, writer) => {
  for (let i = 0; i < Number(jobs); i++) {
    const id = `j-${start}-${writer}-${i}`;
    await store.write(async (tx) => {
      await tx.jobs.insert(sampleJob(id));
      await tx.executions.insert(sampleExecution(`e-${id}`, { jobId: id }));
      const event = { Message: 'Job submitted', Topic: 'Submission', Timestamp: '' };
      await tx.history.append(id, [{ type: 'JobLevel', jobVersion: 1, event, time: tx.now }]);
      await tx.evaluations.enqueue({
        id: `v-${id}`,
        jobId: id,
        trigger: 'job-register',
        priority: 50,
      });
    });
    writeSync(1, `ok ${id}\n`);
  }
}));
await watch.next();
const { items } = await store.read((reader) => reader.jobs.list({ limit: 1, reverse: true }));
const large = (items[0]!.job.Tasks[0]!.Engine!.Params!.Large as bigint).toString();
const commits = store.stats().commits - before;
await store.close();
const runtime = 'bun' in process.versions ? 'bun' : 'deno';
writeSync(1, `done ${JSON.stringify({ commits, large, runtime })}\n`);
