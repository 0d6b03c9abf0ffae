/** The node's end of one run's requests (runtime/wasi/http_frames.ts); what sends them is loaded by the first. */
import { Buffer } from 'node:buffer';
import type { HttpChildFrame, HttpFrame, HttpParentFrame } from '../../../runtime/wasi/mod.ts';
import type { HttpClient, HttpClientOptions } from './http_client.ts';

/** Writes to the module process; resolves when it is on its way, or the process gone. */
export type SendHttp = (frame: HttpParentFrame) => Promise<void>;

export class RunHttp {
  readonly #options: HttpClientOptions;
  readonly #stopped = new AbortController();
  #client: HttpClient | null = null;
  readonly #fault = Promise.withResolvers<unknown>();
  #isBusy = false;
  #serving: Promise<void> = Promise.resolve();
  #onBody: ((part: Uint8Array) => void) | null = null;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** Resolves with the error when decisions cannot be recorded: then the run must not go on. */
  get fault(): Promise<unknown> {
    return this.#fault.promise;
  }

  /** What the module process said. A second request beside the first, which a module cannot make, gets no answer. */
  take(frame: HttpChildFrame, send: SendHttp): void {
    if (frame.type === 'http-body') this.#onBody?.(Buffer.from(frame.data, 'base64'));
    else if (!this.#isBusy) this.#serving = this.#serve(frame, send).catch(this.#fault.resolve);
  }

  /** Ends what is under way; resolves when the decision log is complete. Idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort(Object.assign(new Error('the module has ended'), { code: 'ECANCELED' }));
    // Who waits for a part of a body gets no more.
    this.#onBody?.(new Uint8Array(0));
    await this.#serving;
    this.#client?.close();
  }

  async #serve(frame: HttpFrame, send: SendHttp): Promise<void> {
    this.#isBusy = true;
    const client = this.#client ??= await this.#load();
    const end = await client.request(frame, {
      pull: (offset, length) => {
        this.#stopped.signal.throwIfAborted();
        const { promise, resolve } = Promise.withResolvers<Uint8Array>();
        this.#onBody = resolve;
        void send({ type: 'http-want', offset, length });
        return promise;
      },
      push: (part) => send({ type: 'http-data', data: base64(part) }),
    }, this.#stopped.signal);
    // The module may ask again before we know that it heard this.
    this.#isBusy = false;
    await send({ type: 'http-end', ...end });
  }

  async #load(): Promise<HttpClient> {
    const { HttpClient } = await import('./http_client.ts');
    return new HttpClient(this.#options);
  }
}

function base64({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('base64');
}
