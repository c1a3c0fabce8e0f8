// What a chat template says of its own accord: a prompt that no sample has, trained all the same.

import type { Problem } from '../../errors.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { TextSample } from './sample.ts';

/** Letters in a row, spaces apart, that are more than the name of a turn. */
const WORDS = 20;
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

/** The longest text that is neither of the conversation nor a special token, if it is a prompt. */
function ownWords(template: ChatTemplate, { specialIds, tokenOf }: Names): string | undefined {
  const rendered = renderedPlainly(template);
  if (rendered === undefined) return undefined;
  const special = [...specialIds]
    .flatMap((id) => tokenOf(id) ?? [])
    .filter((token) => token !== '');
  const known = [QUESTION, ANSWER, ...special].map((text) =>
    text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'),
  );
  const parts = rendered.split(new RegExp([...known, MARKUP].join('|')));
  const letters = (part: string) => part.match(/\p{L}/gu)?.length ?? 0;
  const longest = parts.reduce((best, part) => (letters(part) > letters(best) ? part : best), '');
  const text = longest.trim().replace(/^(system|user)\s*\n/, '');
  return letters(text) >= WORDS ? text.trim() : undefined;
}

function renderedPlainly(template: ChatTemplate): string | undefined {
  try {
    return template.render(
      [
        { role: 'user', content: QUESTION },
        { role: 'assistant', content: ANSWER },
      ],
      false,
    );
  } catch {
    return undefined; // it renders other conversations only; those are checked one by one
  }
}
