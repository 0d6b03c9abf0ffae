/** The suite of buses over each of them. */
import { LocalBus, natsConnect } from '../../mod/transport/mod.ts';
import { startNatsServer } from '../../runtime/nats/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { busSuite } from './suite.ts';

const MAX_PAYLOAD = 1_048_576;

busSuite('in memory', () => {
  const connect = new MemoryNetwork().connector(realWorld);
  return Promise.resolve({
    connect: () => connect({ name: 'test' }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

busSuite('of the process of the message server', async () => {
  const server = await startNatsServer({ port: 0 });
  return {
    connect: () => Promise.resolve(new LocalBus(server.connect(), realWorld, MAX_PAYLOAD)),
    [Symbol.asyncDispose]: () => server.close(),
  };
});

busSuite('over NATS', async () => {
  const server = await startNatsServer({ port: 0 });
  const connect = natsConnect({ servers: [`127.0.0.1:${server.port}`] });
  return { connect: () => connect({ name: 'test' }), [Symbol.asyncDispose]: () => server.close() };
});
