import { describe, expect, it } from 'vitest';
import { endpointUrl } from '../../../mod/api/client/mod.ts';

describe('endpointUrl', () => {
  it.each([
    ['0.0.0.0', 'http://127.0.0.1:1234'],
    [' api.example.org ', 'http://api.example.org:1234'],
    ['::1', 'http://[::1]:1234'],
    ['https://api.example.org', 'https://api.example.org:1234'],
    ['HTTP://api.example.org:80/', 'http://api.example.org:80'],
    ['http://::1', 'http://[::1]:1234'],
    ['http://0.0.0.0', 'http://127.0.0.1:1234'],
  ])('%s is %s', (host, url) => expect(endpointUrl(host, 1234)).toBe(url));

  it.each(['ftp://a', 'http://a/path', 'http://a?x', 'a b', 'http://user@a'])('refuses %s', (host) => {
    expect(() => endpointUrl(host, 1234)).toThrow(`Cannot use API host "${host}"`);
  });
});
