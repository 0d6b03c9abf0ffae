/** One run of a module in this process, from the open log to its end. Blocks until the module ends. */
import { LogStream, LogWriter } from '../log_file.ts';
import { realWorld } from '../world.ts';
import { Descriptors } from './descriptors.ts';
import type { EndFrame, RunFrame, WasmEnd } from './frames.ts';
import { link } from './link.ts';
import { type ModuleCache, RunFailure } from './module_cache.ts';
import { ProcessExit } from './proc.ts';
import { Tree } from './tree.ts';

const STACK_LINES = 20;

/** Runs a module; never throws. What it wrote is in the log when this returns. */
export function runModule(frame: RunFrame, cache: ModuleCache): EndFrame {
  let log: LogWriter | undefined;
  let tree: Tree | undefined;
  let descriptors: Descriptors | undefined;
  let entered = false;
  let end: WasmEnd;
  try {
    const writer = log = new LogWriter(frame.logPath, { bytes: frame.logLimit, now: realWorld.now });
    tree = new Tree(frame.mounts);
    descriptors = new Descriptors(
      tree,
      (bytes) => writer.write(LogStream.stdout, bytes),
      (bytes) => writer.write(LogStream.stderr, bytes),
    );
    // Start functions and initialisers are the guest's code already.
    entered = true;
    const instance = link({ frame, tree, descriptors, cache });
    entryPoint(frame, instance)();
    end = { kind: 'exited', exitCode: 0 };
  } catch (thrown) {
    end = endOf(thrown, frame, entered);
  }
  try {
    descriptors?.closeAll();
    tree?.close();
    log?.close();
  } catch (error) {
    end = internal(error);
  }
  return { type: 'end', end, reusable: end.kind === 'exited' || end.code in CLEAN };
}

/** Failures before any code of the guest ran. */
const CLEAN: Readonly<Record<string, true>> = {
  NotWebAssembly: true,
  InvalidModule: true,
  ModuleNotFound: true,
  MemoryLimit: true,
};

function entryPoint(frame: RunFrame, instance: WebAssembly.Instance): () => unknown {
  const found = instance.exports[frame.entryPoint];
  if (typeof found !== 'function') {
    const names = Object.keys(instance.exports).filter((name) =>
      typeof instance.exports[name] === 'function'
    );
    throw new RunFailure(
      'EntryPointNotFound',
      `Cannot start module "${frame.entryModule}": it exports no function "${frame.entryPoint}"`,
      names.length === 0
        ? 'It exports no function at all; build it as a command (with _start)'
        : `It exports: ${names.sort().slice(0, 20).join(', ')}`,
    );
  }
  if (found.length > 0) {
    throw new RunFailure(
      'EntryPointNotFound',
      `Cannot start module "${frame.entryModule}": its function "${frame.entryPoint}" takes ${found.length} parameters`,
      'An entry point has no parameters; arguments come through WASI (Parameters)',
    );
  }
  const { _initialize } = instance.exports;
  if (
    frame.entryPoint !== '_start' && frame.entryPoint !== '_initialize' && typeof _initialize === 'function'
  ) {
    _initialize();
  }
  return found as () => unknown;
}

function endOf(thrown: unknown, frame: RunFrame, entered: boolean): WasmEnd {
  if (thrown instanceof ProcessExit) return { kind: 'exited', exitCode: thrown.exitCode };
  if (thrown instanceof RunFailure) return thrown.end;
  const overflow = thrown instanceof RangeError && /call stack/i.test(thrown.message);
  const foreign = WebAssembly as unknown as { Exception?: new (...args: never[]) => object };
  const exception = foreign.Exception !== undefined && thrown instanceof foreign.Exception;
  if (entered && (thrown instanceof WebAssembly.RuntimeError || overflow || exception)) {
    const text = (thrown instanceof Error ? thrown.message : String(thrown)).replace(
      / \(evaluating .*\)$/,
      '',
    );
    const why = exception ? 'an exception that nobody caught' : overflow ? 'its call stack overflowed' : text;
    const stack = guestStack(thrown);
    return {
      kind: 'failed',
      code: 'ModuleTrapped',
      message: `Module "${frame.entryModule}" was ended by a trap: ${why}${stack && `\n${stack}`}`,
      hint:
        'The program itself did something that WebAssembly forbids; see its log for what it printed before',
      class: 'user',
      exitCode: 1,
    };
  }
  if (entered && thrown instanceof RangeError && /memory/i.test(thrown.message)) {
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

/** Frames of the guest only: those of ours tell a user nothing. */
function guestStack(thrown: unknown): string {
  const lines = thrown instanceof Error ? (thrown.stack ?? '').split('\n') : [];
  return lines.filter((line) => /wasm-function|wasm:\/\//.test(line)).slice(0, STACK_LINES)
    .map((line) => `  ${line.trim()}`).join('\n');
}

function internal(thrown: unknown): WasmEnd {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    kind: 'failed',
    code: 'EngineFailure',
    message: `Cannot run the module: ${why}`,
    hint: 'This is a fault of the node, not of the module: look at its disk space and its log',
    class: 'infrastructure',
  };
}
