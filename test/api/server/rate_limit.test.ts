import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { clientAddress, RateLimiter } from '../../../mod/api/server/rate_limit.ts';

function request(peer: string, forwarded?: string): IncomingMessage {
  const headers = forwarded ? { 'x-forwarded-for': forwarded } : {};
  return { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
}

describe('RateLimiter', () => {
  it('lets a burst through, then as many as time has refilled', () => {
    let now = 0;
    const limiter = new RateLimiter(10, () => now);
    const taken = (times: number) =>
      Array.from({ length: times }, () => limiter.take('a')).filter(Boolean).length;
    expect(taken(15)).toBe(10);
    now += 300;
    expect(taken(15)).toBe(3);
    expect(limiter.take('b')).toBe(true);
    now += 60_000;
    expect(taken(15)).toBe(10);
  });
});

describe('clientAddress', () => {
  it('believes the forwarded-for header of configured proxies only', () => {
    expect(clientAddress(request('9.9.9.9', '1.1.1.1'), [])).toBe('9.9.9.9');
    expect(clientAddress(request('9.9.9.9', '1.1.1.1'), ['10.0.0.1'])).toBe('9.9.9.9');
    expect(clientAddress(request('::ffff:10.0.0.1', 'forged, 1.1.1.1'), ['10.0.0.1'])).toBe('1.1.1.1');
    expect(clientAddress(request('10.0.0.1', '1.1.1.1, 10.0.0.2'), ['10.0.0.1', '10.0.0.2'])).toBe('1.1.1.1');
  });
});
