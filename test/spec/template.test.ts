import { describe, expect, it } from 'vitest';
import { expandTemplate, templateVariables } from '../../mod/spec/mod.ts';

const data = { name: 'world', 'a-b': 'dash', empty: '' };

describe('expandTemplate', () => {
  it.each<[string, string]>([
    ['{{.name}} {{ .name }} {x}', 'world world {x}'],
    ['{{ index . "a-b" }}', 'dash'],
    ['{{or .empty "x}}y"}}', 'x}}y'],
    ['{{ .empty | or "p" }}', 'p'],
    ['{{if .empty}}a{{else if eq .name "world"}}b{{else}}c{{end}}', 'b'],
    ['{{if .name}}{{if .empty}}a{{else}}b{{end}}c{{end}}', 'bc'],
    ['{{if .empty}}{{.missing}}{{end}}ok', 'ok'],
    ['a  {{- /* note }} */ -}}  b', 'ab'],
    ['{{if and .name (not .empty)}}yes{{end}}', 'yes'],
    ['{{`raw`}}', 'raw'],
  ])('%s', (text, wanted) => expect(expandTemplate(text, data)).toBe(wanted));

  it.each<[string, string]>([
    ['\n\n{{.missing}}', 'line 3: no variable has the key "missing"'],
    ['{{', 'line 1'],
    ['{{if .name}}', 'without {{end}}'],
    ['{{end}}', 'without a matching {{if}}'],
    ['{{range .x}}', 'line 1'],
    ['{{.}}', 'a single variable'],
    ['{{}}', 'a value is missing'],
    ['{{.name .name}}', 'unexpected'],
    ['{{index . "toString"}}', 'no variable'],
  ])('refuses %j', (text, wanted) => expect(() => expandTemplate(text, data)).toThrow(wanted));
});

it('selects environment variables; explicit ones win', () => {
  const env = { APP_A: '1', B_APP: '2', C: '3' };
  expect(templateVariables({ APP_A: 'x' }, env, 'APP')).toEqual({ APP_A: 'x', B_APP: '2' });
  expect(templateVariables({}, env, '*')).toEqual(env);
  expect(templateVariables({}, env, '')).toEqual({});
  expect(() => templateVariables({}, env, '(')).toThrow('environment variable pattern');
});
