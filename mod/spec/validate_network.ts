/** Network of a task (job-spec.md 1.13). */
import { isIP } from 'node:net';
import type { NetworkConfig, PortMapping, Problem } from '../model/mod.ts';
import { MAX_ENTRIES, MAX_ENTRY_LENGTH } from '../../runtime/egress/mod.ts';
import { problemAt } from './problem.ts';
import type { Keys } from './problem.ts';

/** Found anywhere in the text, so `*.x.org`, `.x.org` and `http://x.org/p` pass, as with the original. */
const DOMAIN = /[a-z0-9]\.[a-z]{2}/;
const PORT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const WITH_PORTS: readonly string[] = ['Host', 'Full', 'Bridge'];

export function networkProblems(network: NetworkConfig, at: Keys): Problem[] {
  const problems: Problem[] = [];
  const { Type, Domains = [], Ports = [] } = network;
  if (Domains.length > 0 && Type !== 'HTTP') {
    problems.push(problemAt([...at, 'Domains'], 'domains can only be set for the network type HTTP'));
  }
  if (Domains.length > MAX_ENTRIES) {
    problems.push(problemAt([...at, 'Domains'], `there are more than ${MAX_ENTRIES} domains`));
  }
  Domains.slice(0, MAX_ENTRIES).forEach((domain, index) => {
    if (domain.length > MAX_ENTRY_LENGTH) {
      const message = `the domain is longer than ${MAX_ENTRY_LENGTH} characters`;
      return void problems.push(problemAt([...at, 'Domains', index], message));
    }
    const clean = domain.trim().toLowerCase();
    if (isIP(clean) === 0 && !DOMAIN.test(clean)) {
      problems.push(
        problemAt([...at, 'Domains', index], `"${domain}" is neither a domain nor an IP address`),
      );
    }
  });
  if (Ports.length > 0 && !WITH_PORTS.includes(Type)) {
    problems.push(
      problemAt([...at, 'Ports'], 'ports can only be set for the network types Host, Full and Bridge'),
    );
  }
  const taken = new Map<string, number>();
  Ports.forEach((port, index) => {
    const own = portComplaints(port);
    if (port.Target && (Type === 'Host' || Type === 'Full')) {
      const message =
        `target ports cannot be set for the network type ${Type}, which shares the host's ports`;
      problems.push(problemAt([...at, 'Ports', index, 'Target'], message));
    }
    for (const [key, message] of own) problems.push(problemAt([...at, 'Ports', index, key], message));
    if (own.length > 0) return;
    for (const key of ['Name', 'Static', 'Target'] as const) {
      const value = port[key];
      if (!value) continue;
      const first = taken.get(`${key} ${value}`);
      if (first === undefined) taken.set(`${key} ${value}`, index);
      else {
        const what = { Name: 'port name', Static: 'static port', Target: 'target port' }[key];
        problems.push(
          problemAt([...at, 'Ports', index, key], `duplicate ${what} ${value}, also Ports[${first}]`),
        );
      }
    }
  });
  return problems;
}

function portComplaints(
  { Name, Static = 0, HostNetwork }: PortMapping,
): [keyof PortMapping, string][] {
  const found: [keyof PortMapping, string][] = [];
  if (Name === '') found.push(['Name', 'a port name is missing']);
  else if (!PORT_NAME.test(Name)) {
    found.push([
      'Name',
      `port name "${Name}" may only have letters, digits and underscores and begins with no digit`,
    ]);
  }
  if (Static > 0 && Static < 1024) {
    found.push(['Static', `static port ${Static} is not between 1024 and 65535 (lower ones are privileged)`]);
  }
  if (HostNetwork && isIP(HostNetwork) === 0) {
    found.push(['HostNetwork', `host network "${HostNetwork}" is not an IP address`]);
  }
  return found;
}
