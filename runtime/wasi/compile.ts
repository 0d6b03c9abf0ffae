/** Compiles a module after it was rewritten: its memory is limited, and it tells when more was refused to it. */
import { flagRefusedGrowth, REFUSED_EXPORT } from './growth_flag.ts';
import { type ImportedMemory, type Limited, limitMemory, MemoryTooLarge, PAGE } from './memory_limit.ts';
import { type ModuleFile, orNull, RunFailure } from './module_file.ts';
import { engineText } from './trap_words.ts';

export interface Compiled {
  readonly module: WebAssembly.Module;
  /** Memories that the module wants to be given. */
  readonly memories: readonly ImportedMemory[];
  /** Pages that its own memories may come to. */
  readonly pages: number;
  /** Whether it tells when more memory was refused to it (growth_flag.ts), or never asks. */
  readonly flagged: boolean;
}

/** @param pages of memory that its own memories may come to. @throws RunFailure */
export function compile({ path, bytes, imports }: ModuleFile, pages: number): Compiled {
  const limited = limit(path, bytes, pages);
  const flagged = limited && imports && orNull(() => flagRefusedGrowth(limited.bytes, imports));
  try {
    // The engine has the last word on whether what we made of it is a module.
    const module = (flagged && orInvalid(flagged)) ?? new WebAssembly.Module(limited?.bytes ?? bytes);
    // It could take as much memory as it likes.
    if (!limited) throw new RangeError('its sections are not understood, so its memory cannot be limited');
    return {
      module,
      memories: limited.imports,
      pages: limited.pages,
      flagged: flagged === limited.bytes || isFlagged(module),
    };
  } catch (error) {
    throw new RunFailure(
      'InvalidModule',
      `Cannot compile module "${path}": ${engineText(error)}`,
      'Build the file again as a core WebAssembly module for WASI preview 1 (wasm32-wasi or wasm32-wasip1)',
      { cause: error },
    );
  }
}

function orInvalid(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return null;
    throw error;
  }
}

function isFlagged(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.exports(module).some(({ name }) => name === REFUSED_EXPORT);
}

/** Null for a module that is malformed. @throws RunFailure */
function limit(path: string, bytes: Uint8Array<ArrayBuffer>, pages: number): Limited | null {
  try {
    return orNull(() => limitMemory(bytes, pages));
  } catch (error) {
    if (error instanceof MemoryTooLarge) throw tooLarge(path, error.pages, pages);
    throw error;
  }
}

/** @param left pages that it may have */
export function tooLarge(path: string, needed: number, left: number): RunFailure {
  return new RunFailure(
    'MemoryLimit',
    `Cannot run module "${path}": it needs ${mebibytes(needed * PAGE)} of memory to start, ` +
      `the task may use ${mebibytes(left * PAGE)}`,
    `Ask for more memory, for example Resources: { Memory: "${Math.ceil(needed * PAGE / 2 ** 20)}Mi" }`,
  );
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20 * 100) / 100} MiB`;
}
