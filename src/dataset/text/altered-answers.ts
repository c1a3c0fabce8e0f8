// What of a text a chat template or a tokenizer drops or changes before it is trained: the trained
// tokens, decoded, against the words of the sample.
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { TextSample } from './sample.ts';
import type { Finding } from './findings.ts';

/** A text and the tokens [start, end) of `ids` that are trained for it. */
interface TrainedText {
  readonly words: string;
  readonly ids: Int32Array;
  readonly start: number;
  readonly end: number;
}

/** Tokens before the text with which it is decoded: a token's text may depend on those before. */
const CONTEXT = 4;

/** What the trained tokens say, special tokens included. */
function saidBy(tokenizer: TextTokenizer, { ids, start, end }: TrainedText): string {
  const from = Math.max(0, start - CONTEXT);
  const decode = (to: number): string =>
    tokenizer.decode(ids.subarray(from, to), { special: true });
  const [before, all] = [decode(start), decode(end)];
  return all.startsWith(before)
    ? all.slice(before.length)
    : tokenizer.decode(ids.subarray(start, end), { special: true });
}

/** `template`: the name of the one that wrote it. */
export function alteredText(
  { where }: TextSample,
  tokenizer: TextTokenizer,
  trained: TrainedText,
  template?: string,
): Finding[] {
  const words = trained.words.replace(/\p{Surrogate}/gu, '\ufffd'); // told elsewhere
  const said = saidBy(tokenizer, trained);
  if (said.includes(words)) return [];
  const alone = tokenizer.decode(tokenizer.encode(words, { special: false }), { special: true });
  const byTemplate = template !== undefined && alone.includes(words);
  const [by, fix] = byTemplate
    ? [`the chat template (${template})`, 'Choose another chat_template, or write']
    : ['the tokenizer', 'Choose another base model, or write'];
  const ends = lostEnds(words, said);
  return [
    {
      kind: byTemplate ? 'altered by the template' : 'altered by the tokenizer',
      severity: 'warning',
      where,
      what: `${by} changes the words of samples: they are trained as it leaves them`,
      detail: ends ?? difference(words.trim(), said),
      fix: `${fix} the samples as it leaves them; the model learns what is trained.`,
    },
  ];
}

/** Spaces and line breaks at the ends that are gone; undefined where more is changed. */
function lostEnds(words: string, said: string): string | undefined {
  if (!said.includes(words.trim())) return undefined;
  const [head, tail] = [/^\s*/.exec(words)?.[0], /\s*$/.exec(words)?.[0]];
  return [
    ...(said.includes(words.trimEnd()) ? [] : [`${JSON.stringify(head)} at the beginning is lost`]),
    ...(said.includes(words.trimStart()) ? [] : [`${JSON.stringify(tail)} at the end is lost`]),
  ].join(', ');
}

/** Characters that are shown around a difference. */
const SHOWN = 12;

function difference(words: string, said: string): string {
  const start = Math.max(0, said.indexOf(words.slice(0, 4)));
  const found = said.slice(start);
  let same = 0;
  while (same < words.length && words[same] === found[same]) same++;
  const part = (text: string): string =>
    JSON.stringify(text.slice(Math.max(0, same - SHOWN / 2), same + SHOWN));
  return `${part(words)} becomes ${part(found)}`;
}
