/**
 * What the program says of itself while it serves: one line per event, for people or as JSON. Messages and fields hold
 * text of strangers, so a line is printable whatever is in it.
 */
import { printableLine } from './printable.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, string>>;

export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

/** The section `Logging` of a configuration. */
export interface Logging {
  readonly Level: LogLevel;
  /** `default` for people, `json` for programs, `cmd` the message only. */
  readonly Mode: 'default' | 'json' | 'cmd';
}

/** @param write takes a line without its end */
export function createLogger({ Level, Mode }: Logging, write: (line: string) => void): Logger {
  const rank = LOG_LEVELS.indexOf(Level);
  return {
    log(level, message, fields = {}) {
      if (LOG_LEVELS.indexOf(level) >= rank) write(render[Mode](level, message, fields));
    },
  };
}

type Render = (level: LogLevel, message: string, fields: LogFields) => string;

const quoted = (value: string) => printableLine(/^[^\s"=]+$/.test(value) ? value : JSON.stringify(value));

const render: Readonly<Record<Logging['Mode'], Render>> = {
  default: (level, message, fields) =>
    [
      new Date().toISOString(),
      level.toUpperCase().padEnd(5),
      printableLine(message),
      ...Object.entries(fields).map(([key, value]) => `${key}=${quoted(value)}`),
    ].join(' '),
  json: (level, message, fields) =>
    printableLine(JSON.stringify({ ...fields, time: new Date().toISOString(), level, message })),
  cmd: (_level, message) => printableLine(message),
};
