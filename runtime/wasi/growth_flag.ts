/**
 * Tells whether a guest was refused more memory: what it makes of that is its own matter, and neither runtime tells.
 * Each `memory.grow` of a module becomes a call of a function of ours in it, which grows and notes a refusal in a global:
 *
 * ```
 * (func (param i32) (result i32) (local i32)
 *   (if (i32.eq (local.tee 1 (memory.grow (local.get 0))) (i32.const -1)) (then (global.set $refused (i32.const 1))))
 *   (local.get 1))
 * ```
 *
 * Type, function, global and export come last in their sections, so no number changes.
 */
import { Buffer } from 'node:buffer';
import { BinaryReader, encodeNumber, Section } from './binary_reader.ts';
import type { ModuleImport } from './inspect.ts';
import { findGrowth, MEMORY_GROW } from './instructions.ts';

/** The exported global: 1 once more memory was refused. */
export const REFUSED_EXPORT = '\0refused';

const CALL = 0x10;
const I32 = 0x7f;

interface SectionBytes {
  readonly id: number;
  readonly content: Uint8Array;
}

/** Sections in the order in which they must come. */
const ORDER = [
  Section.type,
  Section.import,
  Section.function,
  Section.table,
  Section.memory,
  Section.tag,
  Section.global,
  Section.export,
  Section.start,
  Section.element,
  Section.dataCount,
  Section.code,
  Section.data,
] as const;

/**
 * The module with the flag; as it is where it never grows its memory.
 * @throws RangeError when it is malformed, or has instructions that we do not know where it may grow
 */
export function flagRefusedGrowth(
  bytes: Uint8Array<ArrayBuffer>,
  imports: readonly ModuleImport[],
): Uint8Array<ArrayBuffer> {
  const sections = split(bytes);
  const code = sections.find(({ id }) => id === Section.code)?.content;
  const candidates = code ? growthCandidates(code) : [];
  if (!code || candidates.length === 0) return bytes;
  const imported = (kind: string) => imports.filter((each) => each.kind === kind).length;
  const type = countOf(sections, Section.type);
  const helper = imported('function') + countOf(sections, Section.function);
  const global = imported('global') + countOf(sections, Section.global);
  const rewritten = rewriteCode(code, candidates, helper);
  if (!rewritten) return bytes;
  const name = Buffer.from(REFUSED_EXPORT);
  append(sections, Section.type, [0x60, 1, I32, 1, I32]);
  append(sections, Section.function, encodeNumber(type));
  append(sections, Section.global, [I32, 1, 0x41, 0, 0x0b]);
  append(sections, Section.export, [name.length, ...name, 3, ...encodeNumber(global)]);
  replace(sections, { id: Section.code, content: rewritten });
  append(sections, Section.code, helperBody(global));
  return Buffer.concat([
    bytes.subarray(0, 8),
    ...sections.flatMap(({ id, content }) => [Uint8Array.of(id, ...encodeNumber(content.length)), content]),
  ]);
}

function split(bytes: Uint8Array): SectionBytes[] {
  const reader = new BinaryReader(bytes, 8);
  const sections: SectionBytes[] = [];
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const size = reader.number();
    const content = bytes.subarray(reader.at, reader.at + size);
    if (content.length < size) throw new RangeError('section beyond the end of the module');
    reader.at += size;
    sections.push({ id, content });
  }
  return sections;
}

/** Where the two bytes of `memory.grow 0` are, whatever they mean there. */
function growthCandidates(code: Uint8Array): number[] {
  // As text: of all ways to look for two bytes the one that both runtimes do fast.
  const text = Buffer.from(code.buffer, code.byteOffset, code.length).toString('latin1');
  const pattern = String.fromCharCode(MEMORY_GROW, 0);
  const found: number[] = [];
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) found.push(at);
  return found;
}

/** Null when there is nothing to change. */
function rewriteCode(code: Uint8Array, candidates: readonly number[], helper: number): Uint8Array | null {
  const call = Uint8Array.of(CALL, ...encodeNumber(helper));
  const parts: Uint8Array[] = [];
  const reader = new BinaryReader(code, 0);
  let done = 0;
  let next = 0;
  for (let left = reader.number(); left > 0; left--) {
    const begin = reader.at;
    const size = reader.number();
    const start = reader.at;
    const end = reader.at += size;
    const first = next;
    while (next < candidates.length && candidates[next]! < end) next++;
    if (first === next) continue;
    const found = findGrowth(code, start, end);
    if (found.length === 0) continue;
    const body: Uint8Array[] = [];
    let from = start;
    for (const at of found) {
      body.push(code.subarray(from, at), call);
      from = at + 2;
    }
    body.push(code.subarray(from, end));
    const length = size + found.length * (call.length - 2);
    parts.push(code.subarray(done, begin), Uint8Array.from(encodeNumber(length)), ...body);
    done = end;
  }
  return done === 0 ? null : Buffer.concat([...parts, code.subarray(done)]);
}

function helperBody(global: number): number[] {
  const body = [
    ...[1, 1, I32],
    ...[0x20, 0, MEMORY_GROW, 0, 0x22, 1, 0x41, 0x7f, 0x46],
    ...[0x04, 0x40, 0x41, 1, 0x24, ...encodeNumber(global), 0x0b],
    ...[0x20, 1, 0x0b],
  ];
  return [...encodeNumber(body.length), ...body];
}

function countOf(sections: readonly SectionBytes[], id: number): number {
  const content = sections.find((section) => section.id === id)?.content;
  return content ? new BinaryReader(content, 0).number() : 0;
}

/** One more entry at the end of a section, which is made where there is none. */
function append(sections: SectionBytes[], id: number, entry: readonly number[]): void {
  const content = sections.find((section) => section.id === id)?.content ?? Uint8Array.of(0);
  const reader = new BinaryReader(content, 0);
  const count = encodeNumber(reader.number() + 1);
  replace(sections, {
    id,
    content: Buffer.concat([Uint8Array.from(count), content.subarray(reader.at), Uint8Array.from(entry)]),
  });
}

function replace(sections: SectionBytes[], section: SectionBytes): void {
  const at = sections.findIndex(({ id }) => id === section.id);
  if (at >= 0) {
    sections[at] = section;
    return;
  }
  const place = (id: number) => ORDER.findIndex((each) => each === id);
  const after = sections.findIndex(({ id }) => place(id) > place(section.id));
  sections.splice(after < 0 ? sections.length : after, 0, section);
}
