/** What runs tasks: the seam and the engines that exist. Docker comes with issue 4. */
export * from './engine.ts';
export { noopEngine, type NoopEngineOptions } from './noop.ts';
export { wasmEngine, type WasmEngineOptions } from './wasm/wasm_engine.ts';
