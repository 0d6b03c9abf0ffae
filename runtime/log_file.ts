/**
 * The log of one execution: one file that the running program's process appends to and that anybody may read at any
 * time, from any offset, before, during and after the run.
 *
 * ```
 * file   = header block*
 * header = 89 "BCLLOG" 0A, u32 version (1), u32 block size (65536)      16 bytes, all integers little-endian
 * block  = record* padding         the file is cut into blocks of 64 KiB; the header lies in the first one
 * record = u8 stream, u8 0, u16 length, u64 time, length bytes          never crosses the end of a block
 * ```
 *
 * - `stream`: 1 stdout, 2 stderr, 3 mark (a sentence of ours: output was cut). 0 is padding: the rest of the block is
 *   empty. `time`: nanoseconds since the epoch.
 * - A record is written with one call. A writer that is killed leaves at most one torn record, the last; readers stop
 *   before it, since its length reaches beyond the file.
 * - Blocks make every multiple of 64 KiB a place where a record begins: `tail` starts near the end of a 1 GB file, and
 *   an offset that a client made up is moved to the next true record instead of reading garbage.
 */
export { type LogLimit, LogWriter } from './log_writer.ts';
export { readLog, type ReadLogOptions, tailLog, type TailStart } from './log_reader.ts';
export { type ExtractCaps, type ExtractedStreams, extractStreams } from './log_extract.ts';
export { countLog, type LogCount } from './log_scan.ts';
export { BLOCK_SIZE, FILE_HEADER_SIZE, type LogRecord, LogStream } from './log_format.ts';
