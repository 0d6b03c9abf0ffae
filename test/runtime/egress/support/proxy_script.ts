/**
 * A proxy in a process of its own, under whatever runtime runs this file. Its options come as JSON in the arguments; it
 * prints its port and ends with its stdin.
 */
import process from 'node:process';
import {
  EgressPolicy,
  EgressProxy,
  openDecisionLog,
  parseDomains,
  type ProxyLimits,
} from '../../../../runtime/egress/mod.ts';

export interface ProxyScript {
  readonly domains: readonly string[];
  /** Addresses of a name by look-up: the first answer, the second, … ; the last holds from then on. */
  readonly names: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly limits: Partial<ProxyLimits>;
  readonly logPath: string;
}

if (import.meta.main) {
  const { domains, names, limits, logPath } = JSON.parse(process.argv[2]!) as ProxyScript;
  const looked = new Map<string, number>();
  const proxy = await EgressProxy.listen({ host: '127.0.0.1', port: 0 }, {
    policy: new EgressPolicy(parseDomains(domains).rules, {
      resolve(host) {
        const answers = names[host];
        const at = looked.get(host) ?? 0;
        looked.set(host, at + 1);
        return answers
          ? Promise.resolve(answers[Math.min(at, answers.length - 1)]!)
          : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
      },
    }),
    log: openDecisionLog(logPath),
    limits,
    headers: { 'X-Bacalhau-Job-ID': 'j-1' },
    limitHint: 'Open fewer.',
  });
  process.stdout.write(`${proxy.port}\n`);
  process.stdin.on('end', () => void proxy.close()).resume();
}
