/** A little proxy for HTTP and CONNECT that leads every name to one place, and remembers what it was asked. */
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface LittleProxy extends Disposable {
  /** With credentials. */
  readonly url: string;
  /** `GET http://name/path` or `CONNECT name:port`, in order. */
  readonly asked: readonly string[];
}

/** @param port on 127.0.0.1, to which everything is led; for CONNECT to `refused.test` the answer is 403 */
export async function startProxy(port: () => number): Promise<LittleProxy> {
  const asked: string[] = [];
  const authorization = `Basic ${btoa('user:pass word')}`;
  const server = createServer((incoming, answer) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    const { 'proxy-authorization': given, ...headers } = incoming.headers;
    if (given !== authorization) return void answer.writeHead(407).end();
    const { pathname, search } = new URL(incoming.url!);
    const onward = request({
      host: '127.0.0.1',
      port: port(),
      method: incoming.method!,
      path: pathname + search,
      headers,
    });
    onward.on('response', (given) => given.pipe(answer.writeHead(given.statusCode!, given.headers)));
    incoming.pipe(onward);
  });
  // A tunnel is no connection of the server any more.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('connect', (incoming, client, head) => {
    asked.push(`CONNECT ${incoming.url}`);
    client.on('error', () => {});
    if (incoming.headers['proxy-authorization'] !== authorization) {
      return client.end('HTTP/1.1 407 Who\r\n\r\n');
    }
    if (incoming.url!.startsWith('refused.test')) {
      return client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    }
    const onward = connect(port(), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    onward.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://user:pass%20word@127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
