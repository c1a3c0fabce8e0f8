// The prompts that a run draws, checked before anything is computed.

import type { TrainConfig } from '../../config/schema.ts';
import { ConfigError, type Problem } from '../../errors.ts';
import { parseNegativePrompt, parsePrompt } from '../../generate/prompt/parse-prompt.ts';
import { picturePrompts } from '../../generate/prompt/picture-prompts.ts';
import type { ClipTokenizer } from '../../tokenizer/clip.ts';

type Prompts = Pick<TrainConfig, 'sample_prompts' | 'sample_negative_prompt'>;

/** What is drawn: a prompt without the adapters that it names. */
export const drawnText = (prompt: string): string => parsePrompt(prompt).text;

/** What one should know of the prompts. Throws ConfigError for what cannot be drawn. */
export function samplePromptWarnings(config: Prompts, tokenizer: ClipTokenizer): Problem[] {
  const found = config.sample_prompts.map((prompt, i) => {
    const where = `sample_prompts, number ${i + 1}`;
    const parsed = parsePrompt(prompt, { where, anyScript: true });
    const warnings = [
      ...parsed.warnings,
      ...parsed.loras.map(({ name }) => ownAdapter(where, name)),
    ];
    const problems = [...parsed.problems, ...weightProblems(where, parsed.text, '', tokenizer)];
    return { warnings, problems };
  });
  const negative = negativeOf(config.sample_negative_prompt, tokenizer);
  const problems = [...found, negative].flatMap((each) => each.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return [...found, negative].flatMap((each) => each.warnings);
}

function negativeOf(prompt: string, tokenizer: ClipTokenizer) {
  const where = 'sample_negative_prompt';
  const { warnings, problems } = parseNegativePrompt(prompt, { where, anyScript: true });
  return { warnings, problems: [...problems, ...weightProblems(where, '', prompt, tokenizer)] };
}

const ownAdapter = (where: string, name: string): Problem => ({
  where,
  what: `names the adapter ${name}, which is left out: samples are drawn with the adapter that is trained, and no other`,
});

/** (word:1.2.3) */
function weightProblems(
  where: string,
  prompt: string,
  negativePrompt: string,
  tokenizer: ClipTokenizer,
): Problem[] {
  try {
    const request = { prompt, negativePrompt, guidance: 2, emphasis: 'original' } as const;
    picturePrompts(request, { tokenizer, length: 77, calls: 1 });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => ({ ...problem, where }));
  }
}
