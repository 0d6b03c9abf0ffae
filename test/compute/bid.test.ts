/** What a bid asks of the engine: whether it can, and then what it is to keep to. */
import { expect, it } from 'vitest';
import type { Engine } from '../../mod/engine/engine.ts';
import { noopEngine } from '../../mod/engine/noop.ts';
import { ComputeStore } from '../../mod/store/compute_store.ts';
import { realWorld } from '../../runtime/world.ts';
import { ask, execution, type Harness, harness, type HarnessOptions } from './rig.ts';

async function withEngine(
  more: Partial<Engine>,
  use: (h: Harness) => Promise<void>,
  options: HarnessOptions = {},
): Promise<void> {
  const h = await harness({ engines: [{ ...noopEngine({ world: realWorld }), ...more }], ...options });
  try {
    await use(h);
  } finally {
    await h.close();
  }
}

/** Settles only when it is told to give up. */
const hangs = (signal?: AbortSignal) =>
  new Promise<never>((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));

it('stores what the engine pins together with the bid', async () => {
  await withEngine({ pin: async () => ({ digest: 'sha256:1' }) }, async (h) => {
    await h.send(ask(execution('e-1')));
    expect((await h.until('BidResult', 'e-1')).payload).toMatchObject({ Accepted: true });
    expect((await new ComputeStore(h.db).find('e-1'))!.pinned).toEqual({ digest: 'sha256:1' });
  });
});

it('pins nothing for a job that is refused, or larger than the node', async () => {
  let pins = 0;
  const pin = async () => {
    pins++;
    return {};
  };
  await withEngine({ pin }, async (h) => {
    await h.send(ask(execution('e-1', { Refuse: 'not here' })));
    await h.send(ask(execution('e-2', {}, { task: { Resources: { CPU: '64' } } })));
    for (const id of ['e-1', 'e-2']) {
      expect((await h.until('BidResult', id)).payload).toMatchObject({ Accepted: false });
    }
    expect(pins).toBe(0);
  });
});

it.each<[string, Partial<Engine>, string]>([
  ['check', { check: (_, signal) => hangs(signal) }, 'Cannot learn whether task "main" can run here'],
  ['pin', { pin: (_, signal) => hangs(signal) }, 'Cannot learn what task "main" is to run'],
])('an engine that does not answer a %s in time fails the execution, which may go elsewhere', async (
  _,
  engine,
  message,
) => {
  await withEngine(engine, async (h) => {
    await h.send(ask(execution('e-1')));
    const [event] = (await h.until('ComputeError', 'e-1')).payload.Events!;
    expect(event!.Message).toContain(message);
    expect(event!.Details).toMatchObject({ Retryable: 'true', class: 'infrastructure' });
  }, { limits: { bidMs: 30 } });
});

it('an engine that cannot pin fails the execution with its own words', async () => {
  const pin = () => Promise.reject(new Error('registry says no'));
  await withEngine({ pin }, async (h) => {
    await h.send(ask(execution('e-1')));
    const [event] = (await h.until('ComputeError', 'e-1')).payload.Events!;
    expect(event!.Message).toContain('registry says no');
  });
});

it('tells who refuses and what about, and every hint as part of one text', async () => {
  const image = {
    code: 'ImageNotFound',
    component: 'Docker',
    reason: 'this node cannot use image "x"',
    hint: 'Check the name.',
    retryable: false,
    details: { Image: 'x' },
  };
  await withEngine({ check: () => Promise.resolve(image) }, async (h) => {
    await h.send(ask(execution('e-1', {}, { task: { Env: { A: 'env:NOT_ALLOWED' } } })));
    const { Events } = (await h.until('BidResult', 'e-1')).payload;
    expect(Events![0]).toMatchObject({
      Message: expect.stringMatching(/^rejected bid: this node cannot use image "x"; .*NOT_ALLOWED/),
      Details: {
        ErrorCode: 'Docker:ImageNotFound',
        Image: 'x',
        Hint: expect.stringMatching(/^Check the name; Add /),
      },
    });
  });
});
