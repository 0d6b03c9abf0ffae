/** A name server of a test: A and AAAA from a table, one answer after the other where a name has several. */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** Name → its addresses; a list of lists is one answer after the other, the last of which stays. */
export type Names = Readonly<Record<string, readonly string[] | readonly (readonly string[])[]>>;

const A = 1;
const AAAA = 28;
const NXDOMAIN = 3;

/** Resolves when it listens on UDP port 53. @param asked told of each question: `A name` */
export async function serveDns(
  address: string,
  names: Names,
  asked: (question: string) => void,
): Promise<void> {
  const turns = new Map<string, number>();
  const answersTo = (name: string, type: number): readonly string[] | null => {
    const found = names[name];
    if (!found) return null;
    const lists = typeof found[0] === 'object' ? found as readonly string[][] : [found as readonly string[]];
    // Both families of a name are asked for together; one of them counts the turns.
    const turn = turns.get(name) ?? 0;
    if (type === A) turns.set(name, turn + 1);
    return lists[Math.min(turn, lists.length - 1)]!.filter((each) => isIPv6(each) === (type === AAAA));
  };
  const socket = createSocket('udp4');
  socket.on('message', (query: Uint8Array, from: { port: number; address: string }) => {
    const { name, type, end } = question(Buffer.from(query));
    if (type === A || type === AAAA) asked(`${type === A ? 'A' : 'AAAA'} ${name}`);
    const answers = answersTo(name, type);
    const head = Buffer.from(query.slice(0, end));
    head.writeUInt16BE(0x8580 | (answers === null ? NXDOMAIN : 0), 2);
    head.writeUInt16BE(answers?.length ?? 0, 6);
    head.fill(0, 8, 12);
    socket.send(
      Buffer.concat([head, ...(answers ?? []).map((each) => record(type, each))]),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((done) => socket.bind(53, address, done));
}

/** The one question of a query, and where it ends. */
function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** Named by a pointer to the question; not to be kept. */
function record(type: number, address: string): Buffer {
  const data = type === A ? address.split('.').map(Number) : bytesOf(address);
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, Buffer.from(data)]);
}

function bytesOf(address: string): number[] {
  const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string) => text === '' ? [] : text.split(':').map((group) => parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail)];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
    .flatMap((group) => [group >> 8, group & 0xff]);
}
