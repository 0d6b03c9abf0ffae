/**
 * Must-hold 3 of WebAssembly: the Go standard library's own tests, run as jobs, have the same result as under wazero or a
 * better one. Both are run here and compared test by test; every difference is one that runtime/wasi/README.md lists.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiClient } from '../../mod/api/client/mod.ts';
import { BUILD_INFO } from '../../runtime/build_info.ts';
import { connectedNodes, startCompute, startOrchestrator } from '../support/cluster.ts';
import {
  argumentsOf,
  environment,
  foldersFor,
  goStd,
  type Result,
  resultsOf,
  scratchFolder,
} from '../support/go_std.ts';
import { wasmJob } from '../support/jobs.ts';
import { type Runtime, temporaryFolder } from '../support/program.ts';

const PACKAGES = ['strings', 'encoding/json', 'os', 'path/filepath', 'io/fs'];

/** Where our result is another than wazero's, with what it is here and there. */
const DIFFERENCES: Readonly<Record<string, readonly string[]>> = {
  os: ['TestFileChdir: PASS, wazero FAIL', 'TestRootRenameAfterOpen: PASS, wazero FAIL'],
};

/** Tests that a package has at least; fewer would mean that the run broke off. */
const FEWEST = 20;

const go = await goStd(PACKAGES);
if (!go) {
  console.log('SKIPPED the tests of the Go standard library: no go, or its module proxy has no wazero');
}

describe.skipIf(!go)('the tests of the Go standard library', () => {
  const cleanup = new AsyncDisposableStack();
  let scratch: string;
  /** What wazero makes of each package, run one after the other beside ours. */
  const expected = new Map<string, Promise<ReadonlyMap<string, Result>>>();

  beforeAll(async () => {
    scratch = cleanup.use(await scratchFolder()).path;
    let last: Promise<unknown> = Promise.resolve();
    for (const name of PACKAGES) {
      const folders = await foldersFor(go!.root, name, scratch);
      const results = last.then(() => go!.wazero(name, folders)).then(resultsOf);
      expected.set(name, results);
      last = results;
    }
  });
  afterAll(() => cleanup.disposeAsync());

  describe.each<Runtime>(['bun', 'deno'])('as jobs of the program under %s', (runtime) => {
    const own = new AsyncDisposableStack();
    let client: ApiClient;

    beforeAll(async () => {
      const folder = own.use(await temporaryFolder()).path;
      const { apiPort, natsPort } = own.use(await startOrchestrator(runtime, folder));
      const allowed = `${scratch}/**:rw,${go!.root}/**,${go!.module('*')}`;
      own.use(
        await startCompute(runtime, folder, 'n-go', natsPort, [
          '-c',
          `Compute.AllowListedLocalPaths=${allowed}`,
        ]),
      );
      await connectedNodes(apiPort, ['n-go']);
      client = new ApiClient({ baseUrl: `http://127.0.0.1:${apiPort}`, version: BUILD_INFO });
    });
    afterAll(() => own.disposeAsync());

    /** What the tests of a package print, as a job. */
    async function outputOf(name: string): Promise<string> {
      const { sources, temporary } = await foldersFor(go!.root, name, scratch);
      const local = (SourcePath: string, Target: string, ReadWrite = false) => ({
        Source: { Type: 'local', Params: { SourcePath, ReadWrite } },
        Target,
      });
      const { Job } = wasmJob({ parameters: argumentsOf(name) });
      const task = {
        ...(Job.Tasks as [Record<string, unknown>])[0],
        Env: environment(go!.root, name),
        InputSources: [
          local(go!.module(name), '/main.wasm'),
          local(go!.root, go!.root),
          local(sources, `${go!.root}/src/${name}`, true),
          local(temporary, '/tmp', true),
        ],
      };
      const { jobId } = await client.submit({ ...Job, Tasks: [task] });
      let output = '';
      for await (const { text } of client.logs(jobId, { follow: true })) output += text;
      return output;
    }

    it.each(PACKAGES)('%s', async (name) => {
      const output = await outputOf(name);
      const [ours, wazero] = [resultsOf(output), await expected.get(name)!];
      expect(wazero.size).toBeGreaterThan(FEWEST);
      const differences = [...new Set([...ours.keys(), ...wazero.keys()])].sort()
        .filter((test) => ours.get(test) !== wazero.get(test))
        .map((test) => `${test}: ${ours.get(test) ?? 'missing'}, wazero ${wazero.get(test) ?? 'missing'}`);
      expect(differences, output.slice(-2000)).toEqual(DIFFERENCES[name] ?? []);
    });
  });
});
