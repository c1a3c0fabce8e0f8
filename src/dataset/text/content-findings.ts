// What the words of a sample hold that people rarely mean: special tokens of the model, characters
// that are damaged, a script that the model cannot read.
import type { Problem } from '../../errors.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { oddCharacters } from '../../util/odd-characters.ts';
import type { TextContent, TextSample } from './sample.ts';
import type { Finding } from './findings.ts';
import type { Sequence } from './sequences.ts';

/** A named part of a sample. */
interface Part {
  readonly name: string;
  readonly text: string;
}

/**
 * Finds them in one sample after the other. Raw texts may hold special tokens: people write whole
 * conversations so.
 */
export function contentFindings(tokenizer: TextTokenizer): (sample: TextSample) => Finding[] {
  const specialTokens = [...tokenizer.specialIds]
    .flatMap((id) => tokenizer.tokenOf(id) ?? [])
    .filter((token) => token !== '');
  return ({ where, content }) => {
    const parts = partsOf(content);
    const special =
      content.kind === 'text'
        ? []
        : parts.flatMap((part) => specialTokenFinding(where, part, specialTokens));
    return [
      ...special.slice(0, 1),
      ...firstOfEach(parts.flatMap((part) => damageFindings(where, part))),
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
  return content.messages.flatMap(({ role, content: text, fields = {} }, i) => {
    const name = `message ${i + 1} (${role})`;
    const others = Object.entries(fields).flatMap(([field, value]) =>
      typeof value === 'string' ? [{ name: `${name}: "${field}"`, text: value }] : [],
    );
    return [{ name, text }, ...others];
  });
}

function specialTokenFinding(
  where: string,
  { name, text }: Part,
  specialTokens: readonly string[],
): Finding[] {
  const token = specialTokens.find((one) => text.includes(one));
  if (token === undefined) return [];
  const what = `holds ${token}, which the model reads as a special token, not as words`;
  return [
    {
      kind: 'special tokens in the words',
      severity: 'warning',
      where,
      detail: name,
      what,
      fix: 'Remove it: the chat template writes the special tokens.',
    },
  ];
}

const firstOfEach = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ what }, i) => findings.findIndex((one) => one.what === what) === i);

const damageFindings = (where: string, { name, text }: Part): Finding[] =>
  oddCharacters(text).map((odd) => ({
    kind: 'damaged characters',
    severity: 'warning',
    where,
    detail: name,
    ...odd,
  }));

/**
 * Tokens per character from which on a script is spelled out in bytes: a language that the
 * tokenizer was made for needs less than one.
 */
const SPELLED_OUT = 1.5;

/**
 * One warning where samples are in a script that the tokenizer has no words for: its model will
 * have read little of the language.
 */
export function unknownScript(sequences: readonly Sequence[], tokenizer: TextTokenizer): Problem[] {
  const samples = new Map<TextSample, number>();
  for (const { sample, ids } of sequences)
    samples.set(sample, (samples.get(sample) ?? 0) + ids.length);
  const found = [...samples].flatMap(([sample, tokens]) => {
    const text = partsOf(sample.content)
      .map((part) => part.text)
      .join('\n');
    const characters = [...text].length;
    // the sequence has the template's tokens too, but is there already
    const ratio =
      tokens > SPELLED_OUT * characters
        ? tokenizer.encode(text, { special: false }).length / characters
        : 0;
    return ratio > SPELLED_OUT ? [{ where: sample.where, ratio }] : [];
  });
  if (found.length === 0) return [];
  const [{ where, ratio }] = found;
  const what = `is in a script that the model's tokenizer has no words for (${ratio.toFixed(1)} tokens per character; in all ${found.length} of ${samples.size} samples): the base model has probably never seen the language`;
  return [{ where, what, fix: 'Choose a base model that was made for this language.' }];
}
