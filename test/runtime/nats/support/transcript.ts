/** Runs byte scripts over raw sockets and writes down what the server answered, for comparison between servers. */
import net from 'node:net';

/** One connection's part of a script: bytes to send, one step after the other; each step ends with a PING. */
export interface Case {
  readonly name: string;
  /** Sent first unless false; each step is awaited (PONG or close) before the next. */
  readonly connect?: string | false;
  readonly steps: readonly string[];
  /** Do not add a PING after the last step (the server is expected to cut the connection by itself). */
  readonly untilClose?: boolean;
}

const DEFAULT_CONNECT = '{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}';

/** The answer of the server to one case, INFO and volatile fields normalised. */
export async function transcript(port: number, script: Case): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let received = '';
  let closed = false;
  let wake = () => {};
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received += chunk;
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    wake();
  });
  const until = async (done: () => boolean) => {
    while (!done() && !closed) await new Promise<void>((resolve) => wake = resolve);
  };
  await until(() => received.includes('\r\n'));
  const steps = script.connect === false
    ? [...script.steps]
    : [`CONNECT ${script.connect ?? DEFAULT_CONNECT}\r\n`, ...script.steps];
  let out = '';
  for (const [index, step] of steps.entries()) {
    received = '';
    const last = index === steps.length - 1;
    socket.write(Buffer.from(last && script.untilClose ? step : `${step}PING\r\n`, 'latin1'));
    await until(() => received.endsWith('PONG\r\n'));
    out += normalise(`< ${received}${closed ? '[closed]' : ''}\n`);
    if (closed) break;
  }
  socket.destroy();
  return out;
}

/**
 * Leaves out what differs by nature: INFO's fields, the PING that nats-server sends to measure a new client, the subject that
 * newer servers name in a 503, and the one text that we send where nats-server closes without a word.
 */
function normalise(text: string): string {
  return text
    .replaceAll(/INFO \{.*\} *\r\n/g, 'INFO {}\r\n')
    .replaceAll(/(?<=< |\r\n)PING\r\n(?=.*\n)/g, '')
    .replaceAll(
      /HMSG (\S+) (\S+) \d+ \d+\r\nNATS\/1.0 503\r\n(Nats-Subject: .*\r\n)?/g,
      'HMSG $1 $2 NATS/1.0 503\r\n',
    )
    .replaceAll("-ERR 'Parser Error'\r\n[closed]", '[closed]');
}
