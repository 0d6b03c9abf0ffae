/** Why a run ended, in words: the program's own exit, a trap with its stack, a limit that it ran into, or our fault. */
import type { RunFrame, WasmEnd } from './frames.ts';
import { guestStack } from './guest_stack.ts';
import { type Limits, LogFull } from './limits.ts';
import type { MemoryUse } from './memory_use.ts';
import { RunFailure } from './module_file.ts';
import { ProcessExit } from './proc.ts';
import { trapWords } from './trap_words.ts';

/** What a run had taken when it ended. */
export interface Taken {
  /** Whether any code of the guest ran. */
  readonly entered: boolean;
  readonly limits: Limits;
  readonly memory: MemoryUse;
}

const MIB = 2 ** 20;

// Where a module does not tell whether more memory was refused to it, its size has to do.
/** Bytes from which on a memory is the likely reason of a trap: allocators grow in big steps. */
const nearly = (limit: number) => limit * 0.75;
/** The same of an exit code, which may mean anything else. */
const veryNearly = (limit: number) => Math.max(nearly(limit), Math.min(limit * 0.95, limit - MIB));

/** As after SIGKILL. */
const ENDED_BY_US = 137;

/** The end of a run whose entry point threw. */
export function endOf(thrown: unknown, frame: RunFrame, taken: Taken): WasmEnd {
  if (thrown instanceof ProcessExit) return exited(thrown.exitCode, frame, taken);
  if (thrown instanceof RunFailure) return thrown.end;
  if (thrown instanceof LogFull) return logFull(frame);
  if (taken.entered && isTrap(thrown)) return trapped(thrown, frame, taken);
  if (taken.entered && thrown instanceof RangeError && /memory/i.test(thrown.message)) {
    return {
      kind: 'failed',
      code: 'MemoryLimit',
      message: `Cannot give module "${frame.entryModule}" its memory: ${thrown.message}`,
      hint: 'Use a module that starts with less memory, or a node with more',
      class: 'infrastructure',
    };
  }
  return internal(thrown);
}

/** A fault of ours. */
export function internal(thrown: unknown): WasmEnd {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    kind: 'failed',
    code: 'EngineFailure',
    message: `Cannot run the module: ${why}`,
    hint: 'This is a fault of the node, not of the module: look at its disk space and its log',
    class: 'infrastructure',
  };
}

function logFull({ entryModule, logLimit }: RunFrame): WasmEnd {
  return {
    kind: 'failed',
    code: 'LogLimit',
    message: `Module "${entryModule}" was stopped: it printed more than the ${
      mebibytes(logLimit)
    } that its log may hold`,
    hint: 'Let it write to files of an output instead; the limit is Compute.Logs.MaxSize of the node',
    class: 'user',
    exitCode: ENDED_BY_US,
  };
}

/** A failure that says itself what it is, unless a limit was in its way before. */
function exited(exitCode: number, frame: RunFrame, taken: Taken): WasmEnd {
  const reached = exitCode === 0 ? null : reachedLimit(frame, taken, veryNearly);
  if (!reached) return { kind: 'exited', exitCode };
  return {
    kind: 'failed',
    code: reached.code,
    message: `Module "${frame.entryModule}" ended with exit code ${exitCode}: ${reached.words}`,
    hint: reached.hint,
    class: 'user',
    exitCode,
  };
}

function trapped(thrown: unknown, frame: RunFrame, taken: Taken): WasmEnd {
  const overflow = isOverflow(thrown);
  const stack = guestStack(thrown);
  const reached = overflow
    ? {
      code: 'StackLimit',
      words: 'it called itself too deep',
      hint: 'Its calls are nested deeper than the stack of the runtime allows: look for endless recursion',
    }
    : reachedLimit(frame, taken, nearly);
  return {
    kind: 'failed',
    code: reached?.code ?? 'ModuleTrapped',
    message: `Module "${frame.entryModule}" was ended by a trap: ${words(thrown, overflow)}` +
      (reached && !overflow ? `; ${reached.words}` : '') + (stack && `\n${stack}`),
    hint: reached?.hint ??
      'The program itself did something that WebAssembly forbids; see its log for what it printed before',
    class: 'user',
    exitCode: 1,
  };
}

/** @param near bytes of memory from which on its limit counts as reached */
function reachedLimit(frame: RunFrame, { limits, memory }: Taken, near: (limit: number) => number) {
  if (limits.hit === 'openFiles') {
    return {
      code: 'OpenFilesLimit',
      words: `it had reached its limit of ${limits.values.openFiles} open files`,
      hint:
        'Close files that are not used any more; the limit is Engines.Types.WASM.MaxOpenFiles of the node',
    };
  }
  if (limits.hit === 'fileBytes') {
    return {
      code: 'FileSizeLimit',
      words: `it had reached the limit of ${mebibytes(limits.values.fileBytes)} for a file`,
      hint: 'Write several smaller files; the limit is Engines.Types.WASM.MaxFileSize of the node',
    };
  }
  return memoryLimit(frame, memory, near);
}

function memoryLimit(frame: RunFrame, memory: MemoryUse, near: (limit: number) => number) {
  const limit = frame.memoryLimit || 2 ** 32;
  const { bytes, most, refused } = memory;
  if (refused ?? bytes >= near(limit)) {
    const own = most < limit;
    return {
      code: 'MemoryLimit',
      words: `more memory was ${refused ? '' : 'probably '}refused to it, of which it has ${
        mebibytes(bytes)
      } and may have ${mebibytes(Math.min(most, limit))}`,
      hint: own
        ? 'This maximum is of the module itself: build it with a larger one'
        : 'Ask for more by Resources.Memory of the task (at most 4Gi), or let the program use less',
    };
  }
  return null;
}

function isOverflow(thrown: unknown): boolean {
  return thrown instanceof RangeError && /call stack/i.test(thrown.message);
}

function isTrap(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError || isOverflow(thrown) || isException(thrown);
}

/** Something that the guest itself threw (exception handling). */
function isException(thrown: unknown): boolean {
  const { Exception } = WebAssembly as unknown as { Exception?: new (...args: never[]) => object };
  return Exception !== undefined && thrown instanceof Exception;
}

function words(thrown: unknown, overflow: boolean): string {
  if (overflow) return 'its call stack is exhausted';
  return isException(thrown) ? 'an exception that nobody caught' : trapWords(thrown);
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB * 100) / 100} MiB`;
}
