/** One run of a module in this process, from the open log to its end. Blocks until the module ends. */
import { LogStream, LogWriter } from '../log/mod.ts';
import { realWorld } from '../world.ts';
import type { Channel } from './channel.ts';
import { Descriptors } from './descriptors.ts';
import { endOf, internal } from './ending.ts';
import type { EndFrame, RunFrame, WasmEnd } from './frames.ts';
import type { GarbageCollector } from './garbage_collector.ts';
import { Limits, LogFull } from './limits.ts';
import { link } from './link.ts';
import { MemoryUse } from './memory_use.ts';
import type { ModuleCache } from './module_cache.ts';
import { RunFailure } from './module_file.ts';
import { Tree } from './tree.ts';
import { reasonOf, unwind } from './unwind.ts';

export interface RunContext {
  readonly cache: ModuleCache;
  readonly channel: Channel;
  readonly collector: GarbageCollector;
}

export interface Finished {
  readonly frame: EndFrame;
  /** Bytes of all memories that it leaves. */
  readonly memory: number;
}

/** Runs a module; never throws. What it wrote is in the log when this returns. */
export function runModule(frame: RunFrame, { cache, channel, collector }: RunContext): Finished {
  let log: LogWriter | undefined;
  let tree: Tree | undefined;
  let descriptors: Descriptors | undefined;
  let entered = false;
  let end: WasmEnd;
  const limits = new Limits(frame);
  const memory = new MemoryUse();
  try {
    const writer = log = new LogWriter(frame.logPath, { bytes: frame.logLimit, now: realWorld.now });
    const print = (stream: 1 | 2) => (bytes: Uint8Array) => {
      writer.write(stream, bytes);
      if (frame.endAtLogLimit && writer.truncated) unwind(new LogFull());
    };
    tree = new Tree(frame.mounts);
    descriptors = new Descriptors(tree, print(LogStream.stdout), print(LogStream.stderr), limits);
    // Start functions and initialisers are the guest's code already.
    entered = true;
    const instance = link({ frame, tree, descriptors, cache, channel, memory });
    entryPoint(frame, instance)();
    end = { kind: 'exited', exitCode: 0 };
  } catch (thrown) {
    end = endOf(reasonOf(thrown), frame, { entered, limits, memory });
  }
  try {
    descriptors?.closeAll();
    tree?.close();
    log?.close();
  } catch (error) {
    end = internal(error);
  }
  const left = memory.bytes;
  // A trap is an end like any other: nothing of the instance is used again.
  const clean = !(end.kind === 'failed' && end.code === 'EngineFailure');
  return { frame: { type: 'end', end, reusable: clean && collector.canTake(left) }, memory: left };
}

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
