// What the words of a sample hold that people rarely mean: marks of the model, and signs that are damaged.
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { TextContent, TextSample } from './sample.ts';
import type { Finding } from './sequences.ts';

/** A named part of a sample. */
interface Part {
  readonly name: string;
  readonly text: string;
}

/** Finds them in one sample after the other. Raw texts may hold marks: people write whole conversations so. */
export function contentFindings(tokenizer: TextTokenizer): (sample: TextSample) => Finding[] {
  const marks = [...tokenizer.specialIds].flatMap((id) => tokenizer.tokenOf(id) ?? []).filter((mark) => mark !== '');
  return ({ where, content }) => {
    const parts = partsOf(content);
    const marked = content.kind === 'text' ? [] : parts.flatMap((part) => markFinding(where, part, marks));
    return [...marked.slice(0, 1), ...parts.flatMap((part) => damageFinding(where, part)).slice(0, 1)];
  };
}

function partsOf(content: TextContent): Part[] {
  if (content.kind === 'text') return [{ name: 'the text', text: content.text }];
  if (content.kind === 'completion') return [{ name: 'the prompt', text: content.prompt }, { name: 'the completion', text: content.completion }];
  return content.messages.map(({ role, content: text }, i) => ({ name: `message ${i + 1} (${role})`, text }));
}

function markFinding(where: string, { name, text }: Part, marks: readonly string[]): Finding[] {
  const mark = marks.find((one) => text.includes(one));
  if (mark === undefined) return [];
  const what = `${name} holds ${mark}, which the model reads as a mark, not as words`;
  return [{ kind: 'marks in the words', severity: 'warning', where, what, fix: 'Take it out: the chat template writes the marks.' }];
}

const damages: readonly (readonly [RegExp, string])[] = [
  [/\ufffd/, 'the sign U+FFFD, which stands for one that was lost'],
  [/\p{Surrogate}/u, 'half of a sign (a lone surrogate), which becomes U+FFFD'],
  [/\0/, 'a NUL sign'],
];

function damageFinding(where: string, { name, text }: Part): Finding[] {
  const found = damages.find(([pattern]) => pattern.test(text));
  if (found === undefined) return [];
  return [{ kind: 'damaged signs', severity: 'warning', where, what: `${name} holds ${found[1]}`, fix: 'Write the sample again from where it came, in UTF-8.' }];
}
