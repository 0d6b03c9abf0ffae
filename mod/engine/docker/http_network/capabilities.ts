/** What this process may do to others (capabilities(7)). */
import { readFileSync } from 'node:fs';

const CAP_SYS_PTRACE = 19n;
const CAP_SYS_ADMIN = 21n;

/** Whether setns(2) and the links in `/proc/<pid>/ns` of others are open to it: root has that, and few else. */
export function mayEnterNamespaces(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const bits = BigInt(`0x${effective ?? '0'}`);
  return [CAP_SYS_PTRACE, CAP_SYS_ADMIN].every((bit) => (bits >> bit & 1n) === 1n);
}
