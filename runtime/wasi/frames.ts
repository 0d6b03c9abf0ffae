/**
 * What passes between a node and its module processes: one JSON object a line over plain pipes.
 *
 * ```
 * child → parent   hello                 ready for work (sent once)
 * parent → child   run                   the child is idle; it answers with exactly one `end`
 *                  http…               while it runs, any number of times (http_frames.ts)
 * child → parent   end
 * ```
 *
 * The pipe to the child is also its life line: when it closes, the child kills itself even while a module is busy.
 */
import type { HttpChildFrame, HttpOffer, HttpParentFrame } from './http_frames.ts';
import type { Mount } from './tree.ts';

export interface HelloFrame {
  readonly type: 'hello';
  readonly pid: number;
}

/** All that a run of a module is; paths of modules are the guest's, all others the host's. */
export interface RunFrame {
  readonly type: 'run';
  readonly entryModule: string;
  readonly entryPoint: string;
  readonly importModules: readonly string[];
  /** Without the program name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Bytes; 0 for what 32-bit addresses reach. */
  readonly memoryLimit: number;
  /** Files and directories that may be open at once. */
  readonly openFiles: number;
  /** Bytes of the largest file that may be made; 0 = no limit. */
  readonly fileBytes: number;
  /** Null: the module `wasi:http/requests` is not offered. */
  readonly http: HttpOffer | null;
  readonly logPath: string;
  readonly logLimit: number;
  /** Printing more ends the run; otherwise the rest is dropped, and it goes on. */
  readonly endAtLogLimit: boolean;
}

export type WasmEnd =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | {
    readonly kind: 'failed';
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly class: 'user' | 'infrastructure';
    readonly exitCode?: number;
  };

/** The end of a run. */
export interface EndFrame {
  readonly type: 'end';
  readonly end: WasmEnd;
  /** The child is as good as new and takes another run. */
  readonly reusable: boolean;
}

/** What a module process says. */
export type ChildFrame = HelloFrame | EndFrame | HttpChildFrame;
export type ParentFrame = RunFrame | HttpParentFrame;

/** The sub-command that makes the executable a module process. */
export const CHILD_COMMAND = '__wasm-child';

/** A frame as one line of JSON. */
export function encodeFrame(frame: ChildFrame | ParentFrame): string {
  return `${JSON.stringify(frame)}\n`;
}

/** Cuts a stream of text into lines; keeps the last, incomplete one. */
export class Lines {
  #rest = '';

  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    return lines;
  }
}
