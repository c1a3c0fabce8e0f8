// What the words of a sample hold that people rarely mean: marks of the model, signs that are
// damaged, a writing that the model cannot read.
import type { Problem } from '../../errors.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { TextContent, TextSample } from './sample.ts';
import type { Finding } from './findings.ts';
import type { Sequence } from './sequences.ts';

/** A named part of a sample. */
interface Part {
  readonly name: string;
  readonly text: string;
}

/**
 * Finds them in one sample after the other. Raw texts may hold marks: people write whole
 * conversations so.
 */
export function contentFindings(tokenizer: TextTokenizer): (sample: TextSample) => Finding[] {
  const marks = [...tokenizer.specialIds]
    .flatMap((id) => tokenizer.tokenOf(id) ?? [])
    .filter((mark) => mark !== '');
  return ({ where, content }) => {
    const parts = partsOf(content);
    const marked =
      content.kind === 'text' ? [] : parts.flatMap((part) => markFinding(where, part, marks));
    return [
      ...marked.slice(0, 1),
      ...parts.flatMap((part) => damageFinding(where, part)).slice(0, 1),
    ];
  };
}

function partsOf(content: TextContent): Part[] {
  if (content.kind === 'text') return [{ name: 'the text', text: content.text }];
  if (content.kind === 'completion')
    return [
      { name: 'the prompt', text: content.prompt },
      { name: 'the completion', text: content.completion },
    ];
  return content.messages.map(({ role, content: text }, i) => ({
    name: `message ${i + 1} (${role})`,
    text,
  }));
}

function markFinding(where: string, { name, text }: Part, marks: readonly string[]): Finding[] {
  const mark = marks.find((one) => text.includes(one));
  if (mark === undefined) return [];
  const what = `holds ${mark}, which the model reads as a special token, not as words`;
  return [
    {
      kind: 'marks in the words',
      severity: 'warning',
      where,
      detail: name,
      what,
      fix: 'Take it out: the chat template writes the marks.',
    },
  ];
}

const damages: readonly (readonly [RegExp, string])[] = [
  [/\ufffd/, 'U+FFFD, which stands for a character that was lost'],
  [/\p{Surrogate}/u, 'half of a character (a lone surrogate), which becomes U+FFFD'],
  [/\0/, 'a NUL character'],
];

function damageFinding(where: string, { name, text }: Part): Finding[] {
  const found = damages.find(([pattern]) => pattern.test(text));
  if (found === undefined) return [];
  return [
    {
      kind: 'damaged signs',
      severity: 'warning',
      where,
      detail: name,
      what: `holds ${found[1]}`,
      fix: 'Write the sample again from where it came, in UTF-8.',
    },
  ];
}

/**
 * Tokens for a sign from which on a writing is spelled out in bytes: a language that the tokenizer
 * was made for needs less than one.
 */
const SPELLED_OUT = 1.5;

/**
 * One warning where samples are in a writing that the tokenizer has no words of: its model will
 * have read little of the language.
 */
export function unknownWriting(
  sequences: readonly Sequence[],
  tokenizer: TextTokenizer,
): Problem[] {
  const samples = new Map<TextSample, number>();
  for (const { sample, ids } of sequences)
    samples.set(sample, (samples.get(sample) ?? 0) + ids.length);
  const found = [...samples].flatMap(([sample, tokens]) => {
    const text = partsOf(sample.content)
      .map((part) => part.text)
      .join('\n');
    const signs = [...text].length;
    // the sequence has the template's tokens too, but is there already
    const ratio =
      tokens > SPELLED_OUT * signs ? tokenizer.encode(text, { special: false }).length / signs : 0;
    return ratio > SPELLED_OUT ? [{ where: sample.where, ratio }] : [];
  });
  if (found.length === 0) return [];
  const [{ where, ratio }] = found;
  const what = `is in a writing that the model's tokenizer has no words of (${ratio.toFixed(1)} tokens for a sign; in all ${found.length} of ${samples.size} samples): the base model can hardly have read the language`;
  return [{ where, what, fix: 'Choose a base model that was made for it.' }];
}
