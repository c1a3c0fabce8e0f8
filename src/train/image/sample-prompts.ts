// The prompts that a run draws, checked before anything is computed.

import type { TrainConfig } from '../../config/schema.ts';
import { ConfigError, type Problem } from '../../errors.ts';
import { parseNegativePrompt, parsePrompt } from '../../generate/prompt/parse-prompt.ts';
import { picturePrompts } from '../../generate/prompt/picture-prompts.ts';
import type { ClipTokenizer } from '../../tokenizer/clip.ts';

type Prompts = Pick<TrainConfig, 'sample_prompts' | 'sample_negative_prompt'>;

/** What is drawn: a prompt without the adapters that it names. */
export const drawnText = (prompt: string): string => parsePrompt(prompt).text;

interface Model {
  readonly tokenizer: ClipTokenizer;
  /** Positions of the text encoder. */
  readonly length: number;
}

/** What one should know of the prompts. Throws ConfigError for what cannot be drawn. */
export function samplePromptWarnings(config: Prompts, model: Model): Problem[] {
  const negativePrompt = config.sample_negative_prompt;
  const options = { where: 'sample_negative_prompt', anyScript: true };
  const negative = parseNegativePrompt(negativePrompt, options);
  const found = config.sample_prompts.map((prompt, i) =>
    lookedAt(`sample_prompts, number ${i + 1}`, prompt, model, negativePrompt),
  );
  const problems = [
    ...found.flatMap((each) => each.problems),
    ...negative.problems,
    ...planProblems(options.where, '', negativePrompt, model),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return [...found.flatMap((each) => each.warnings), ...negative.warnings];
}

function lookedAt(where: string, prompt: string, model: Model, negativePrompt: string) {
  const { text, loras, problems, warnings } = parsePrompt(prompt, { where, anyScript: true });
  const alone = planProblems(where, text, '', model);
  const together = alone.length > 0 ? [] : planProblems(where, text, negativePrompt, model);
  // what is wrong with the negative prompt is told once
  const ofNegative = planProblems(where, '', negativePrompt, model).length > 0;
  return {
    problems: [...problems, ...alone, ...(ofNegative ? [] : together)],
    warnings: [...warnings, ...loras.map(({ name }) => ownAdapter(where, name))],
  };
}

const ownAdapter = (where: string, name: string): Problem => ({
  where,
  what: `names the adapter ${name}, which is left out: samples are drawn with the adapter that is trained, and no other`,
});

/** A weight such as (word:1.2.3), or lengths that do not go together. */
function planProblems(
  where: string,
  prompt: string,
  negativePrompt: string,
  model: Model,
): Problem[] {
  try {
    const request = { prompt, negativePrompt, guidance: 2, emphasis: 'original' } as const;
    picturePrompts(request, { ...model, calls: 1 });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => ({ ...problem, where }));
  }
}
