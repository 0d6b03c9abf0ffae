/** No process is given what is no module: here there is none that could be given anything. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Bench, FIXTURES } from './helpers.ts';

test('modules are looked at before a process is asked for', async () => {
  await using bench = new Bench({ childCommand: ['/nowhere/at/all'] });
  const folder = bench.path('modules');
  mkdirSync(folder);
  mkdirSync(`${folder}/two`);
  for (const name of ['a', 'b']) writeFileSync(`${folder}/two/${name}.wasm`, '');
  writeFileSync(`${folder}/text.wasm`, '(module)');
  writeFileSync(`${folder}/component.wasm`, Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0));
  symlinkSync('/etc/passwd', `${folder}/out.wasm`);
  symlinkSync('text.wasm', `${folder}/in.wasm`);
  const inputs = [{ hostPath: folder, target: '/m', readOnly: true }];
  const end = async (EntryModule: string, ImportModules: string[] = []) =>
    (await bench.run(`${FIXTURES}/exit.wasm`, { inputs, params: { EntryModule, ImportModules } })).end;
  const cases: [string, string[], string, RegExp][] = [
    ['/m/text.wasm', [], 'NotWebAssembly', /^Cannot run module "\/m\/text\.wasm": .* text form/],
    ['/m/in.wasm', [], 'NotWebAssembly', /"\/m\/in\.wasm": .* text form/],
    [
      '/wasm/entry.wasm',
      ['/m/component.wasm'],
      'NotWebAssembly',
      /"\/m\/component\.wasm": it is a .* component/,
    ],
    ['/m/two', [], 'ModuleNotFound', /"\/m\/two": the directory has 2 \*\.wasm files/],
    ['/m/none.wasm', [], 'ModuleNotFound', /"\/m\/none\.wasm": no such file/],
    ['/m/out.wasm', [], 'ModuleNotFound', /^Cannot find module "\/m\/out\.wasm"/],
    ['/m/../../etc/passwd', [], 'ModuleNotFound', /leaves the task's file system/],
  ];
  for (const [entry, imports, code, message] of cases) {
    expect(await end(entry, imports)).toMatchObject({
      kind: 'failed',
      class: 'user',
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/./),
    });
  }
  // A true module gets as far as the process that does not start.
  await expect(end('/wasm/entry.wasm')).rejects.toThrow('Cannot start a module process "/nowhere/at/all"');
});
