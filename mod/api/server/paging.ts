/**
 * Paging tokens (rest-api.md 7.4.3): unpadded URL-safe base64 of `<order_by>:<Y|N>:<limit>:<offset>`, where Y means
 * reversed. A token overrides the query's order, direction and limit; the original's clients pass it back unread.
 */
import { Buffer } from 'node:buffer';
import { BacalhauError } from '../../model/mod.ts';

export interface PagingToken {
  readonly orderBy: string;
  readonly reverse: boolean;
  readonly limit: number;
  readonly offset: bigint;
}

const FORM = /^([^:]*):([^:]):(\d{1,10}):(\d{1,20})$/;

export function encodeToken(token: PagingToken): string {
  const text = `${token.orderBy}:${token.reverse ? 'Y' : 'N'}:${token.limit}:${token.offset}`;
  return Buffer.from(text).toString('base64url');
}

/** @throws BacalhauError `BadRequest` when the text is no token */
export function decodeToken(text: string): PagingToken {
  const match = /^[A-Za-z0-9_-]+$/.test(text) ? FORM.exec(Buffer.from(text, 'base64url').toString()) : null;
  if (!match) {
    throw new BacalhauError(
      'BadRequest',
      `Cannot read paging token "${text}": it is not one of this server`,
      {
        component: 'JobStore',
        hint: 'Pass next_token exactly as the previous page gave it.',
      },
    );
  }
  return {
    orderBy: match[1]!,
    reverse: match[2] === 'Y',
    limit: Number(match[3]),
    offset: BigInt(match[4]!),
  };
}
