/**
 * The guest's own frames of an error, the same words on both runtimes. V8 tells function, number and offset; JSC prints
 * `unknown` for each and tells the name, or the number where the module has none, only to who formats the stack himself.
 */

interface CallSite {
  getFunctionName(): string | null;
  toString(): string;
}

interface StackFormat {
  prepareStackTrace?: ((error: Error, sites: readonly CallSite[]) => unknown) | undefined;
  stackTraceLimit: number;
}

const FORMAT = Error as unknown as StackFormat;
const STACK_LINES = 20;

/** V8: `name (wasm://wasm/<hash>:wasm-function[7]:0x45)`. */
const V8 = /wasm-function\[(\d+)\]:0x([0-9a-f]+)/;
/** JSC: `<module>.wasm-function[<name or number>]`; names may have brackets of their own. */
const JSC = /\.wasm-function\[(.*)\]$/;

/** Once per process, before anything is thrown: how many frames an error keeps. */
export function keepGuestFrames(): void {
  FORMAT.stackTraceLimit = STACK_LINES * 2;
}

/** One line a frame, innermost first, at most 20. */
export function guestStack(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  const before = FORMAT.prepareStackTrace;
  let frames: string[] = [];
  FORMAT.prepareStackTrace = (_error, sites) => {
    frames = sites.map(guestFrame).filter((frame) => frame !== null);
    return '';
  };
  try {
    // Both runtimes format a stack when it is first asked for.
    void thrown.stack;
  } finally {
    FORMAT.prepareStackTrace = before;
  }
  return frames.slice(0, STACK_LINES).map((frame) => `  at ${frame}`).join('\n');
}

function guestFrame(site: CallSite): string | null {
  const name = site.getFunctionName() ?? '';
  const v8 = V8.exec(site.toString());
  if (v8) return `${name === '' ? `function ${v8[1]}` : name} (offset 0x${v8[2]})`;
  const jsc = JSC.exec(name)?.[1];
  if (jsc === undefined) return null;
  return /^\d+$/.test(jsc) ? `function ${jsc}` : jsc;
}
