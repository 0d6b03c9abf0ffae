/** What an engine tells of a running program reaches the history at once, or with its end; decisions go with the results. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import type { ExecutionStatus } from '../../mod/transport/wire/messages.ts';
import { ask, execution, harness, untilPhase } from './rig.ts';
import type { Harness, HarnessOptions } from './rig.ts';
import { exit, lasting } from './lasting.ts';
import { until } from '../support/until.ts';

const order = (publisher = '') =>
  ask(
    execution('e-1', {}, {
      desired: 1,
      task: { Engine: { Type: 'lasting' }, Publisher: { Type: publisher } },
    }),
  );

const opened: Harness[] = [];
async function open(options: HarnessOptions): Promise<Harness> {
  const h = await harness(options);
  opened.push(h);
  return h;
}
afterEach(async () => {
  for (const h of opened.splice(0)) await h.close();
});

const eventsOf = (h: Harness) =>
  h.sent.filter((message) => message.type === 'ExecutionStatus').flatMap(({ payload }) => {
    const { Phase, Events } = payload as ExecutionStatus;
    return (Events ?? []).map(({ Message, Topic, Details }) => [Phase, Topic, Message, Details?.Hint]);
  });

it('a peer that takes notices hears of it while the program runs', async () => {
  const host = lasting();
  const h = await open({ engines: [host.engine], extended: true });
  await h.send(order());
  await until(() => host.world.get('e-1/1')?.started === 1);
  // Before the node has reported that it runs, and after.
  const { remark } = host.world.get('e-1/1')!.request;
  remark!('Network: first', { Hint: 'Add it' });
  await untilPhase(h, 'e-1', 'running');
  await until(() => eventsOf(h).length === 1);
  remark!('Network: second');
  await until(() => eventsOf(h).length === 2);
  expect(eventsOf(h)).toEqual([
    ['running', 'Running Execution', 'Network: first', 'Add it'],
    ['running', 'Running Execution', 'Network: second', undefined],
  ]);
  exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
  const { payload } = await h.until('RunResult', 'e-1');
  expect(payload.Events).toHaveLength(1);
});

it('a peer of the original hears of it with the result', async () => {
  const host = lasting();
  const h = await open({ engines: [host.engine] });
  await h.send(order());
  await untilPhase(h, 'e-1', 'running');
  host.world.get('e-1/1')!.request.remark!('Network: refused');
  exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
  const { payload } = await h.until('RunResult', 'e-1');
  expect(payload.Events?.map(({ Message }) => Message)).toEqual([
    'Completed successfully',
    'Network: refused',
  ]);
});

it('what was decided about the network is in the published results', async () => {
  const host = lasting();
  const published: string[] = [];
  const publisher = {
    type: 'local',
    available: async () => null,
    check: async () => null,
    async publish({ directory }: { directory: string }) {
      published.push(await readFile(`${directory}/network-decisions.jsonl`, 'utf8'));
      return { Type: 'urlDownload', Params: {} };
    },
    close: async () => {},
  };
  const h = await open({ engines: [host.engine], publishers: [publisher] });
  await h.send(order('local'));
  await untilPhase(h, 'e-1', 'running');
  await writeFile(
    `${host.world.get('e-1/1')!.request.directory}/network-decisions.jsonl`,
    '{"verdict":"refused"}\n',
  );
  exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
  await h.until('RunResult', 'e-1');
  expect(published).toEqual(['{"verdict":"refused"}\n']);
});
