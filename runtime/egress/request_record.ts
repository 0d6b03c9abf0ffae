/** One request or tunnel on its way to a line of the decision log. */
import type { DecisionSink } from './decision_log.ts';
import type { Decision } from './policy.ts';

/** Gathers what the log says of one request while it is under way. */
export class RequestRecord {
  address: string | undefined;
  status: number | undefined;
  bytesSent = 0;
  bytesReceived = 0;
  /** How long its bytes waited for the rate limit. */
  throttledMs = 0;
  #time = new Date().toISOString();
  #began = performance.now();
  #verdict: 'allowed' | 'refused' | 'failed' = 'allowed';
  #host = '';
  #port = 0;
  #rule: string | undefined;
  #code: string | undefined;
  #reason: string | undefined;
  #hint: string | undefined;
  #written = false;

  constructor(private readonly log: DecisionSink, private readonly method: string) {}

  to(host: string, port: number): void {
    this.#host = host.slice(0, 253);
    this.#port = port;
  }

  decided(decision: Decision): void {
    this.#host = decision.host;
    this.#rule = decision.rule;
    if (decision.allowed) return;
    this.address = decision.address;
    this.#verdict = decision.code === 'name-not-found' ? 'failed' : 'refused';
    this.#code = decision.code;
    this.#reason = decision.reason;
    this.#hint = decision.hint;
  }

  /** Refused before or beside the policy; the line is written. */
  refuse(code: string, reason: string, hint?: string): void {
    this.#verdict = 'refused';
    this.#code = code;
    this.#reason = reason;
    this.#hint = hint;
    this.end();
  }

  /** Allowed, and then it went wrong. */
  fail(error: unknown): void {
    this.#verdict = 'failed';
    this.cut(error);
  }

  /** A tunnel that one of its ends broke off; whether that is a failure only they know. */
  cut(error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    this.#code = code ?? 'unknown';
    this.#reason = message;
  }

  /** Code of the failure. */
  get why(): string {
    return this.#code ?? '';
  }

  /** Writes the line; once. */
  end(): void {
    if (this.#written) return;
    this.#written = true;
    const throttledMs = Math.round(this.throttledMs);
    this.log.write({
      time: this.#time,
      verdict: this.#verdict,
      method: this.method,
      host: this.#host,
      port: this.#port,
      ...(this.address === undefined ? {} : { address: this.address }),
      ...(this.#rule === undefined ? {} : { rule: this.#rule }),
      ...(this.#code === undefined ? {} : { code: this.#code }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#hint === undefined ? {} : { hint: this.#hint }),
      ...(this.status === undefined ? {} : { status: this.status }),
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      durationMs: Math.round(performance.now() - this.#began),
      ...(throttledMs === 0 ? {} : { throttledMs }),
    });
  }
}
