/**
 * How a module's HTTP request travels to the node, which sends it, and its answer back. The child asks and then serves its
 * own memory until `http-end`, so nothing is buffered on either side and the module sees one call that blocks:
 *
 * ```
 * child → parent   http                  one at a time
 * parent → child     http-want           a part of the request's body, in order, from 0 again after a redirect
 * child → parent     http-body
 * parent → child     http-data           the next part of the answer's body, never after it another `http-want`
 * parent → child   http-end
 * ```
 */

/** What `http_request` returns (executors.md 8). */
export const HttpResult = {
  ok: 0,
  invalidUrl: 1,
  networkError: 2,
  timeout: 3,
  notAllowed: 4,
  tooLarge: 5,
  badInput: 6,
  memoryError: 7,
} as const;
export type HttpResult = (typeof HttpResult)[keyof typeof HttpResult];

/** Bytes of a body that travel in one frame. */
export const HTTP_PART = 48 * 1024;

/** What a module that may send requests is told by its run. */
export interface HttpOffer {
  /** Bytes of the largest answer, whatever memory there is. */
  readonly maxBytes: number;
}

/** A module asks for an HTTP request. */
export interface HttpFrame {
  readonly type: 'http';
  readonly method: string;
  /** As the module wrote it. */
  readonly url: string;
  /** Names and values in turn; one character a byte. */
  readonly headers: readonly string[];
  /** Length of the body. */
  readonly bodyBytes: number;
  /** Bytes of the answer's body that are wanted. */
  readonly wanted: number;
  /** Bytes beyond which an answer that is not wanted whole is too large. */
  readonly limit: number;
}

/** A piece of the request's body. */
export interface HttpBodyFrame {
  readonly type: 'http-body';
  /** Base64. */
  readonly data: string;
}

/** The module takes more of the answer's body. */
export interface HttpWantFrame {
  readonly type: 'http-want';
  readonly offset: number;
  readonly length: number;
}

/** A piece of the answer's body. */
export interface HttpDataFrame {
  readonly type: 'http-data';
  /** Base64. */
  readonly data: string;
}

/** An answer or failure. */
export interface HttpEndFrame {
  readonly type: 'http-end';
  readonly result: HttpResult;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Lines of `Name: value`; one character a byte. */
  readonly headers: string;
  /** The answer's body goes on after what was wanted. */
  readonly more: boolean;
}

/** What a module process says about HTTP. */
export type HttpChildFrame = HttpFrame | HttpBodyFrame;
/** What the node says to it about HTTP. */
export type HttpParentFrame = HttpWantFrame | HttpDataFrame | HttpEndFrame;
