/**
 * A load generator on bare sockets: HTTP/1.1 with keep-alive and Content-Length only, so that most of the machine is
 * left to the server under test. Each connection sends its next request when the last answer is complete.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface TimedAnswer extends Answer {
  /** From the request to the whole answer. */
  readonly ms: number;
}

export class Connection implements Disposable {
  readonly #address: { readonly host: string; readonly port: number };
  #socket: Socket;
  #received: Uint8Array[] = [];
  #waiting: { done: (answer: Answer) => void; failed: (error: Error) => void } | null = null;

  constructor(readonly port: number, host = '127.0.0.1') {
    this.#address = { host, port };
    this.#socket = this.#connect();
  }

  #connect(): Socket {
    const socket = connect({ ...this.#address, noDelay: true });
    socket.on('data', (chunk: Uint8Array) => {
      this.#received.push(chunk);
      this.#settle();
    });
    const fail = (error?: Error) => {
      if (socket === this.#socket) this.#waiting?.failed(error ?? new Error('connection closed'));
    };
    socket.on('error', fail);
    socket.on('close', () => fail());
    return socket;
  }

  request(method: string, path: string, body = ''): Promise<Answer> {
    return new Promise((done, failed) => {
      // A server closes a connection that was idle for some seconds.
      if (!this.#socket.writable && !this.#socket.connecting) this.#socket = this.#connect();
      this.#waiting = { done, failed };
      const headers = body
        ? `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
        : '';
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: ${this.#address.host}:${this.port}\r\n${headers}\r\n${body}`,
      );
    });
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.request(method, path, body === undefined ? '' : JSON.stringify(body));
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body) as T;
  }

  #settle(): void {
    const data = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received);
    this.#received = [data];
    const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const end = buffer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = buffer.toString('latin1', 0, end);
    const parsed = answerBody(head, buffer, end + 4);
    if (!parsed || !this.#waiting) return;
    const { done } = this.#waiting;
    this.#waiting = null;
    this.#received = [];
    done({ status: Number(head.slice(9, 12)), body: parsed });
  }

  [Symbol.dispose](): void {
    this.#waiting = null;
    this.#socket.destroy();
  }
}

/** The complete body, or null while more must come. Understands Content-Length and chunks. */
function answerBody(head: string, buffer: Buffer, start: number): string | null {
  const length = /content-length: *(\d+)/i.exec(head);
  if (length) {
    const end = start + Number(length[1]);
    return buffer.length >= end ? buffer.toString('utf8', start, end) : null;
  }
  let body = '';
  for (let at = start;;) {
    const line = buffer.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = parseInt(buffer.toString('latin1', at, line), 16);
    if (buffer.length < line + 2 + size + 2) return null;
    if (size === 0) return body;
    body += buffer.toString('utf8', line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/** Sends `count` requests over `connections` sockets; resolves with the answers in order of the requests. */
export async function load(
  port: number,
  connections: number,
  count: number,
  request: (index: number) => { method: string; path: string; body?: string },
): Promise<TimedAnswer[]> {
  const answers: TimedAnswer[] = [];
  let next = 0;
  const worker = async () => {
    using connection = new Connection(port);
    while (next < count) {
      const index = next++;
      const { method, path, body } = request(index);
      const begin = performance.now();
      const answer = await connection.request(method, path, body);
      answers[index] = { ...answer, ms: performance.now() - begin };
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return answers;
}
