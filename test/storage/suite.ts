/** What every source keeps to (mod/storage/source.ts). */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SpecConfig } from '../../mod/model/mod.ts';
import type { Source } from '../../mod/storage/mod.ts';
import { never, request } from './support.ts';

export interface SourceUnderTest extends AsyncDisposable {
  readonly source: Source;
  /** Of the five bytes `hello`. */
  readonly good: SpecConfig;
  /** One that can never be used. */
  readonly bad: SpecConfig;
}

async function contentOf(path: string): Promise<string> {
  if (!(await stat(path)).isDirectory()) return await readFile(path, 'utf8');
  const [name] = await readdir(path);
  return await readFile(join(path, name!), 'utf8');
}

export function sourceSuite(name: string, make: () => Promise<SourceUnderTest>): void {
  describe(`the source ${name}`, () => {
    let made: SourceUnderTest;
    beforeEach(async () => void (made = await make()));
    afterEach(() => made[Symbol.asyncDispose]());

    it('can be used, and prepares what it accepts, as often as it is asked', async () => {
      const { source, good } = made;
      expect(await source.available()).toBeNull();
      expect(await source.check(good)).toBeNull();
      for (let i = 0; i < 2; i++) {
        const { hostPath, readOnly } = await source.prepare(await request(good));
        expect(await contentOf(hostPath)).toBe('hello');
        expect(readOnly).toBe(true);
      }
    });

    it('its size is what preparing takes of the disk', async () => {
      const { source, good } = made;
      const wanted = await request(good);
      const size = await source.size(good, never);
      const { hostPath } = await source.prepare(wanted);
      expect(size).toBe(hostPath.startsWith(wanted.directory) ? 5 : 0);
    });

    it('refuses at bid time what it would not prepare, as the fault of the job, with a hint', async () => {
      const { source, bad } = made;
      const refusal = await source.check(bad);
      expect(refusal).toMatchObject({ reason: expect.stringMatching(/^Cannot /), retryable: false });
      expect(refusal!.hint).not.toBe('');
      await expect(source.prepare(await request(bad))).rejects.toMatchObject({ details: { class: 'user' } });
    });
  });
}
