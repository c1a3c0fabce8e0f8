// What a chat template says of its own accord: a prompt that no sample has, trained all the same.

import type { Problem } from '../../errors.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { TextSample } from './sample.ts';

/** Letters in a row, spaces apart, that are more than the name of a turn. */
const WORDS = 20;
/** The same of words that stand before the first turn alone, where no turn's name recurs. */
const WORDS_BEFORE = 6;
/** Characters of a prompt that are shown. */
const SHOWN = 100;

type Names = Pick<TextTokenizer, 'specialIds' | 'tokenOf'>;

/**
 * Tells once that the template puts words before conversations without a system message, and for
 * how many samples it does.
 */
export function templatePrompt(
  samples: readonly TextSample[],
  template: ChatTemplate | undefined,
  tokenizer: Names,
): Problem[] {
  const without = samples.filter(({ content }) => {
    if (content.kind === 'text') return false;
    return content.kind === 'completion' || content.messages[0]?.role !== 'system';
  });
  if (template === undefined || without.length === 0) return [];
  const words = ownWords(template, tokenizer);
  if (words === undefined) return [];
  const shown = words.length > SHOWN ? `${words.slice(0, SHOWN).trimEnd()}…` : words;
  return [
    {
      where: without[0].where,
      what: `the chat template (${template.name}) puts a prompt of its own, ${JSON.stringify(shown)}, before samples without a system message: ${without.length} of ${samples.length}`,
      fix: 'Use the same template where the model answers, or give the samples a system message; an empty one is none.',
    },
  ];
}

/** Special tokens of other tokenizers: <|end|>, <start_of_turn>, [INST], <<SYS>>. */
const MARKUP = String.raw`<[^<>\s]*>|\[/?[A-Z_]+\]`;

const [QUESTION, ANSWER] = ['3.141592653', '2.718281828'];

/**
 * The longest text that is neither of the conversation nor a special token, if it is a prompt:
 * longer than the name of a turn, or before the first turn and not before the second.
 */
function ownWords(template: ChatTemplate, tokenizer: Names): string | undefined {
  const once = longestWords(beforeFirstTurn(template), tokenizer);
  if (letters(once) >= WORDS_BEFORE) return once;
  const anywhere = longestWords(rendered(template, 1) ?? '', tokenizer);
  return letters(anywhere) >= WORDS ? anywhere : undefined;
}

const letters = (text: string): number => text.match(/\p{L}/gu)?.length ?? 0;

function longestWords(text: string, { specialIds, tokenOf }: Names): string {
  const special = [...specialIds]
    .flatMap((id) => tokenOf(id) ?? [])
    .filter((token) => token !== '');
  const known = [QUESTION, ANSWER, ...special].map((token) =>
    token.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
  );
  const parts = text.split(new RegExp([...known, MARKUP].join('|')));
  const longest = parts.reduce((best, part) => (letters(part) > letters(best) ? part : best), '');
  return longest
    .trim()
    .replace(/^(system|user)(\s*\n|$)/, '')
    .trim();
}

/** What stands before the first question and not before the second; empty if nothing does. */
function beforeFirstTurn(template: ChatTemplate): string {
  const [first, second] = rendered(template, 2)?.split(QUESTION) ?? [];
  if (second === undefined) return '';
  let recurring = 0;
  while (recurring < first.length && first.at(-1 - recurring) === second.at(-1 - recurring))
    recurring++;
  return first.slice(0, first.length - recurring);
}

function rendered(template: ChatTemplate, turns: number): string | undefined {
  const turn = [
    { role: 'user', content: QUESTION },
    { role: 'assistant', content: ANSWER },
  ] as const;
  try {
    return template.render(Array.from({ length: turns }, () => turn).flat(), false);
  } catch {
    return undefined; // it renders other conversations only; those are checked one by one
  }
}
