/**
 * Entry. A child that runs WebAssembly modules, or forwards bytes out of a job's network, is this same program under a
 * hidden name; it is told apart before anything else is loaded, since a node starts many of them.
 */
import process from 'node:process';

if (process.argv[2] === '__wasm-child') {
  const { runChild } = await import('./runtime/wasi/child.ts');
  await runChild();
} else if (process.argv[2] === '__forward') {
  const { runForwarder } = await import('./runtime/egress/forwarder.ts');
  await runForwarder(process.argv.slice(3));
} else {
  const { main } = await import('./cmd/main.ts');
  // Not process.exit: it would cut output that is still on its way into a pipe.
  process.exitCode = await main(process.argv.slice(2));
}
