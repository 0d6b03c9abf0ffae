/** The short form of a published port on the command line; ours, since the original knows ports in job files only. */
import { BacalhauError, type PortMapping } from '../model/mod.ts';
import { parseCsvRecord } from './csv.ts';

/** What may be given, and the member it becomes; in any letter case. */
const KEYS: Readonly<Record<string, keyof PortMapping>> = {
  name: 'Name',
  target: 'Target',
  static: 'Static',
  host: 'HostNetwork',
  hostnetwork: 'HostNetwork',
};

/**
 * `name=http,target=80`, with `static=8080` for a fixed port of the host and `host=127.0.0.1` for one of its addresses.
 * Ranges and names are checked with the job.
 * @throws BacalhauError
 */
export function parsePort(text: string): PortMapping {
  try {
    const port: { -readonly [K in keyof PortMapping]: PortMapping[K] } = { Name: '' };
    for (const field of parseCsvRecord(text)) {
      const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(field) ?? [];
      const key = Object.hasOwn(KEYS, name.toLowerCase()) ? KEYS[name.toLowerCase()] : undefined;
      if (key === undefined) throw new RangeError(`"${field}" is none of name=, target=, static= and host=`);
      if (key === 'Name' || key === 'HostNetwork') port[key] = value;
      else if (/^\d{1,5}$/.test(value)) port[key] = Number(value);
      else throw new RangeError(`"${value}" is not a port`);
    }
    return port;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BacalhauError('BadRequest', `Cannot read port "${text}": ${why}`, {
      hint: 'Write it like name=http,target=80 or name=http,target=80,static=8080.',
      cause: error,
    });
  }
}
