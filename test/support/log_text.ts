/** What the log of a run holds, by stream. */
import { LogStream, readLog } from '../../runtime/log/mod.ts';

export interface LogText {
  readonly stdout: string;
  readonly stderr: string;
  /** Our own sentence about cut output, else empty. */
  readonly mark: string;
}

export async function logText(path: string, encoding: BufferEncoding = 'utf8'): Promise<LogText> {
  const parts: Record<LogStream, Uint8Array[]> = { 1: [], 2: [], 3: [] };
  for await (const { stream, bytes } of readLog(path)) parts[stream].push(bytes.slice());
  const text = (stream: LogStream) => Buffer.concat(parts[stream]).toString(encoding);
  return { stdout: text(LogStream.stdout), stderr: text(LogStream.stderr), mark: text(LogStream.mark) };
}
