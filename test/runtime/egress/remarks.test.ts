import { describe, expect, it } from 'vitest';
import type { DecisionEntry } from '../../../runtime/egress/mod.ts';
import { withRemarks } from '../../../runtime/egress/remarks.ts';

const entry = (more: Partial<DecisionEntry>): DecisionEntry => ({
  time: '',
  verdict: 'refused',
  method: 'GET',
  host: 'evil.test',
  port: 80,
  code: 'host-not-listed',
  reason: 'evil.test is not in the list of domains',
  hint: 'Add it.',
  bytesSent: 0,
  bytesReceived: 0,
  durationMs: 0,
  ...more,
});

function rig() {
  const said: string[] = [];
  let lines = 0;
  const log = withRemarks({ write: () => lines++, close: () => lines = -1 }, (message, hint = '') => {
    said.push(`${message}|${hint}`);
  });
  return { log, said, lines: () => lines };
}

describe('remarks on decisions', () => {
  it('a refusal is told once for a host, a port and a reason; all are logged', () => {
    const { log, said, lines } = rig();
    log.write(entry({}));
    log.write(entry({}));
    log.write(entry({ method: 'CONNECT', port: 22, code: 'port-not-listed', reason: 'port 22 is not open' }));
    log.write(entry({ verdict: 'allowed' }));
    log.write(entry({ verdict: 'failed' }));
    log.write(entry({ host: '', reason: 'the URL cannot be read' }));
    expect(lines()).toBe(6);
    expect(said).toEqual([
      'Network: GET evil.test:80 was refused: evil.test is not in the list of domains|Add it.',
      'Network: CONNECT evil.test:22 was refused: port 22 is not open|Add it.',
      'Network: a request was refused: the URL cannot be read|Add it.',
    ]);
    log.close();
    expect(lines()).toBe(-1);
  });

  it('a loop over many hosts is told of a few times', () => {
    const { log, said } = rig();
    for (let at = 0; at < 1000; at++) log.write(entry({ host: `h${at}.test` }));
    expect(said).toHaveLength(7);
    expect(said.at(-1)).toContain('more was refused; see network-decisions.jsonl');
  });

  it('a transfer that the rate limit held back is told of once', () => {
    const { log, said } = rig();
    log.write(entry({ verdict: 'allowed', throttledMs: 900 }));
    for (let at = 0; at < 2; at++) {
      log.write(entry({ verdict: 'allowed', host: '2606::1', throttledMs: 2345 }));
    }
    expect(said).toEqual(['Network: GET [2606::1]:80 waited 2.3 s for the rate limit of the execution|']);
  });
});
