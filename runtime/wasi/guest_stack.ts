/**
 * The guest's own frames of an error, the same words on both runtimes. V8 tells function, number and offset (which is not
 * that of the module's file, since it was rewritten); JSC prints `unknown` for each and tells the name, or the number where
 * the module has none, only to who formats the stack himself.
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
const KEPT_FRAMES = 40;

/** V8: `name (wasm://wasm/<hash>:wasm-function[7]:0x45)`. */
const V8 = /wasm-function\[(\d+)\]:0x/;
/** JSC: `<module>.wasm-function[<name or number>]`; names may have brackets of their own. */
const JSC = '.wasm-function[';

/** Once per process, before anything is thrown: how many frames an error keeps. */
export function keepGuestFrames(): void {
  FORMAT.stackTraceLimit = KEPT_FRAMES;
}

/** One line a frame, innermost first, at most 20; equal ones in a row are one line. `…` stands for further ones. */
export function guestStack(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  const before = FORMAT.prepareStackTrace;
  let frames: string[] = [];
  let cut = false;
  FORMAT.prepareStackTrace = (_error, sites) => {
    cut = sites.length >= KEPT_FRAMES;
    frames = sites.map(guestFrame).filter((frame) => frame !== null);
    return '';
  };
  try {
    // Both runtimes format a stack when it is first asked for.
    void thrown.stack;
  } finally {
    FORMAT.prepareStackTrace = before;
  }
  const found = lines(frames).map((line) => `  at ${line}`);
  const shown = found.slice(0, STACK_LINES);
  return [...shown, ...(cut || found.length > shown.length ? ['  …'] : [])].join('\n');
}

function lines(frames: readonly string[]): string[] {
  const runs: { frame: string; count: number }[] = [];
  for (const frame of frames) {
    const last = runs.at(-1);
    if (last?.frame === frame) last.count++;
    else runs.push({ frame, count: 1 });
  }
  return runs.map(({ frame, count }) => count === 1 ? frame : `${frame}, ${count} times`);
}

function guestFrame(site: CallSite): string | null {
  const name = site.getFunctionName() ?? '';
  const v8 = V8.exec(site.toString());
  if (v8) return name === '' ? `function ${v8[1]}` : name;
  const at = name.indexOf(JSC);
  if (at < 0 || !name.endsWith(']')) return null;
  const jsc = name.slice(at + JSC.length, -1);
  return /^\d+$/.test(jsc) ? `function ${jsc}` : jsc;
}
