/** The rules of the metadata guard, by iptables and ip6tables: chains of one installation and the jumps to them. */
import { execFile, type ExecFileException } from 'node:child_process';
import process from 'node:process';

/** Where clouds and their container services answer (EC2, GCE, Azure, ECS, EKS; Alibaba; Oracle's older one). */
export const METADATA_V4: readonly string[] = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '192.0.0.192',
];
export const METADATA_V6: readonly string[] = ['fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254'];

const PLACES = [
  { table: 'nat', hook: 'PREROUTING', verdict: 'ACCEPT' },
  { table: 'filter', hook: 'FORWARD', verdict: 'REJECT' },
  { table: 'filter', hook: 'INPUT', verdict: 'REJECT' },
] as const;
const VERDICTS = [['nat', 'ACCEPT'], ['filter', 'REJECT']] as const;

/** Some clouds answer names at the same address (GCE, OCI), and that gives no credentials. */
const DNS = ['-p udp --dport 53 -j RETURN', '-p tcp --dport 53 -j RETURN'];

/** Seconds to wait for the lock that all users of iptables share. */
const LOCK_SECONDS = '5';

/** iptables or ip6tables; each method throws an Error with the tool's own words. */
export class Firewall {
  #restored = false;

  constructor(
    private readonly program: string,
    private readonly chain: string,
    private readonly targets: readonly string[],
  ) {}

  /** Makes the chains hold exactly these hardware addresses, with jumps to them at the front. */
  async rebuild(macs: readonly string[]): Promise<void> {
    const jumps = await this.#jumps();
    const tables = VERDICTS.map(([table, verdict]) => [
      `*${table}`,
      `:${this.chain} - [0:0]`,
      ...PLACES.filter((place) => place.table === table).flatMap(({ hook }) => [
        ...jumps.filter((line) => line.startsWith(`${table} -A ${hook} `)).map((line) =>
          line.slice(table.length + 1).replace('-A', '-D')
        ),
        ...this.targets.map((target) => `-I ${hook} 1 -d ${target} -j ${this.chain}`),
      ]),
      ...DNS.map((rule) => `-A ${this.chain} ${rule}`),
      ...macs.flatMap((mac) => rulesOf(mac, verdict)).map((rule) => `-A ${this.chain} ${rule}`),
      'COMMIT',
    ]);
    await this.#restore(tables.flat());
  }

  async add(mac: string): Promise<void> {
    await this.#restore(VERDICTS.flatMap(([table, verdict]) => [
      `*${table}`,
      ...rulesOf(mac, verdict).map((rule) => `-A ${this.chain} ${rule}`),
      'COMMIT',
    ]));
  }

  /** Whether all that should be there still is. */
  async intact(macs: ReadonlySet<string>): Promise<boolean> {
    if (!this.#restored) return false;
    const jumps = await this.#jumps();
    const hooked = PLACES.every(({ table, hook }) =>
      this.targets.every((target) =>
        jumps.some((line) => line.startsWith(`${table} -A ${hook} -d ${target}/`))
      )
    );
    if (!hooked) return false;
    const rules = await this.#run(['-t', 'filter', '-S', this.chain]);
    return [...macs].every((mac) => rules.toLowerCase().includes(mac));
  }

  /** Fine when there is nothing. */
  async remove(): Promise<void> {
    const jumps = await this.#jumps();
    await this.#restore(VERDICTS.flatMap(([table]) => [
      `*${table}`,
      `:${this.chain} - [0:0]`,
      ...jumps.filter((line) => line.startsWith(`${table} `)).map((line) =>
        line.slice(table.length + 1).replace('-A', '-D')
      ),
      `-X ${this.chain}`,
      'COMMIT',
    ]));
    this.#restored = false;
  }

  /** Present jumps to our chain as `table -A HOOK …`. */
  async #jumps(): Promise<string[]> {
    const found = await Promise.all(PLACES.map(async ({ table, hook }) => {
      const lines = (await this.#run(['-t', table, '-S', hook])).split('\n');
      return lines.filter((line) => line.endsWith(`-j ${this.chain}`)).map((line) => `${table} ${line}`);
    }));
    return found.flat();
  }

  async #run(args: readonly string[]): Promise<string> {
    return await execute(this.program, ['-w', LOCK_SECONDS, ...args]);
  }

  /** All lines of a table take effect together. */
  async #restore(lines: readonly string[]): Promise<void> {
    await execute(`${this.program}-restore`, ['-w', LOCK_SECONDS, '--noflush'], `${lines.join('\n')}\n`);
    this.#restored = true;
  }
}

function rulesOf(mac: string, verdict: 'ACCEPT' | 'REJECT'): readonly string[] {
  const rule = `-m mac --mac-source ${mac} -j ${verdict}`;
  if (verdict === 'ACCEPT') return [rule];
  // A reset comes at once; of the kernel's other answer there is one a second, and a program that asks again would hang.
  return [`-p tcp ${rule} --reject-with tcp-reset`, rule];
}

/**
 * The firewalls of this machine that can do it, tried by setting a rule for an address that nobody has; or why there is
 * none. IPv6 is left out where it does not work, since containers then have none either.
 */
export async function findFirewalls(chain: string): Promise<readonly Firewall[] | string> {
  if (process.platform !== 'linux') return `there is no iptables on ${process.platform}`;
  const works: Firewall[] = [];
  for (const [program, targets] of [['iptables', METADATA_V4], ['ip6tables', METADATA_V6]] as const) {
    // A chain of its own, since rules of an earlier node may be at work.
    const trial = new Firewall(program, `${chain}-T`, targets);
    try {
      await trial.rebuild(['02:42:b0:00:00:00']);
      await trial.remove();
      works.push(new Firewall(program, chain, targets));
    } catch (error) {
      if (works.length === 0) return (error as Error).message;
    }
  }
  return works;
}

function execute(program: string, args: readonly string[], input = ''): Promise<string> {
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin` };
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program}: ${explain(error, stderr)}`, { cause: error }));
      else resolve(stdout);
    });
    child.stdin?.on('error', () => undefined); // it ended early; the callback says why
    child.stdin?.end(input);
  });
}

function explain(error: ExecFileException, stderr: string): string {
  return stderr.trim() || (error.code === 'ENOENT' ? 'there is no such program' : error.message);
}
