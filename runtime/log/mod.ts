/** Logs as files with offsets: written once, read by anybody, at any time, from anywhere. See README.md. */
export { BLOCK_SIZE, FILE_HEADER_SIZE, type LogRecord, LogStream } from './format.ts';
export { type LogPreview, previewLog } from './preview.ts';
export { readLog, type ReadLogOptions, tailLog, type TailStart } from './reader.ts';
export { countLog, type LogCount } from './scan.ts';
export { splitLog } from './split.ts';
export { type LogLimit, LogWriter } from './writer.ts';
