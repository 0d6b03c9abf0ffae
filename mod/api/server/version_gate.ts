/** Refuses clients that are too old (rest-api.md 2.2). Bodies are the gate's own plus the error shape, safe for all clients. */

const MINIMUM = [1, 4, 0] as const;
const DEVELOPMENT = ['', 'v0.0.0', 'v0.0.0-xxxxxxx'];
const VERSION = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

export interface GateRefusal {
  readonly status: 400 | 403;
  readonly body: Readonly<Record<string, string | number>>;
}

function compare(version: readonly number[], other: readonly number[]): number {
  return version.map((part, index) => part - other[index]!).find((difference) => difference !== 0) ?? 0;
}

function parse(
  text: string,
): { numbers: readonly [number, number, number]; preRelease: boolean } | undefined {
  const match = VERSION.exec(text);
  if (!match) return undefined;
  const numbers = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)] as const;
  return { numbers, preRelease: match[4] !== undefined };
}

function below(version: string, minimum: readonly [number, number, number]): boolean {
  const parsed = parse(version);
  if (!parsed) return false;
  const order = compare(parsed.numbers, minimum);
  return order < 0 || (order === 0 && parsed.preRelease);
}

/** @param client header `X-Bacalhau-Git-Version`. @returns undefined when the client may go on */
export function checkClientVersion(
  client: string,
  server: string,
  requestId: string,
): GateRefusal | undefined {
  if (DEVELOPMENT.includes(client)) return undefined;
  const common = { RequestID: requestId, Component: 'APIServer' };
  if (!parse(client)) {
    const text = `Cannot read client version "${client}": it is not a semantic version`;
    return { status: 400, body: { Error: text, Status: 400, Message: text, Code: 'BadRequest', ...common } };
  }
  if (!below(client, MINIMUM)) return undefined;
  const minimum = MINIMUM.join('.');
  const text = `Cannot serve client version ${client}: this server needs ${minimum} or newer`;
  return {
    status: 403,
    body: {
      Error: text,
      MinVersion: minimum,
      ClientVersion: client.replace(/^v/, ''),
      ServerVersion: server.replace(/^v/, ''),
      Status: 403,
      Message: text,
      Code: 'VersionMismatch',
      ...common,
      Hint: `Update the client to ${minimum} or newer.`,
    },
  };
}

/** Clients below 1.5 read two more keys in each history entry (rest-api.md 7.4.6). */
export function wantsLegacyHistory(client: string): boolean {
  return !DEVELOPMENT.includes(client) && below(client, [1, 5, 0]);
}
