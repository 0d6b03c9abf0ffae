/** Whatever a person types: an answer or an error with a code, never a crash. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BacalhauError,
  decodeJob,
  encodeJob,
  jobCodec,
  parseJson,
  stringifyJson,
} from '../../mod/model/mod.ts';
import {
  expandTemplate,
  normaliseJob,
  parseConstraints,
  parseInput,
  parsePublisher,
  readSpec,
  specEquals,
} from '../../mod/spec/mod.ts';

const pieces = (...words: string[]) =>
  fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })), { maxLength: 20 })
    .map((list) => list.join(''));

function answersOrExplains(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof BacalhauError)) throw error;
  }
}

it('short forms and templates', () => {
  fc.assert(
    fc.property(pieces('s3://', 'b/k', ':', ',', '=', 'opt=', 'src=', '"', 'file://', ' '), (text) => {
      answersOrExplains(() => parseInput(text));
      answersOrExplains(() => parsePublisher(text));
    }),
  );
  fc.assert(fc.property(pieces('k', '=', '!', ' in (', ' notin (', ')', ',', '>', '5'), (text) => {
    answersOrExplains(() => parseConstraints(text));
  }));
  fc.assert(
    fc.property(
      pieces('{{', '}}', '.a', 'if ', 'else', 'end', '"', '`', '/*', '*/', '- ', ' -', '|', '('),
      (text) => {
        answersOrExplains(() => expandTemplate(text, { a: 'x' }));
      },
    ),
  );
});

it('job files', async () => {
  const yaml = pieces(
    'Type: batch',
    '\n',
    '  ',
    '- ',
    'Tasks:',
    '&a ',
    '*a',
    '<<: ',
    '{',
    '}',
    '[',
    ']',
    ': ',
    '|',
    '"',
    '!!',
  );
  await fc.assert(fc.asyncProperty(yaml, async (text) => {
    const { problems } = await readSpec(text);
    for (const { message } of problems) expect(message).not.toBe('');
  }));
});

it('values of any shape: decoding gives problems or a job that survives encoding', () => {
  const keys = [
    'Name',
    'type',
    'COUNT',
    'Tasks',
    'Engine',
    'Type',
    'Params',
    'Labels',
    'Network',
    'State',
    'Revision',
    '__proto__',
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.bigInt(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(fc.property(value, (input) => {
    const { value: job, problems } = jobCodec.inspect(input);
    expect(Object.isFrozen(job)).toBe(true);
    const text = stringifyJson(encodeJob(job));
    expect(stringifyJson(encodeJob(decodeJob(parseJson(text))))).toBe(text);
    if (problems.length > 0) return;
    const normal = normaliseJob(job);
    expect(normaliseJob(normal)).toEqual(normal);
    expect(specEquals(job, normal)).toBe(true);
  }));
});
