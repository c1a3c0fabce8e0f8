// What a training of texts does besides its steps, tried in small: validation, answers, evaluation.

import { longerBy, NO_TIME, scaled, sumOf, timed } from '../../account/duration.ts';
import { createAnswerer } from '../../eval/answerer.ts';
import type { EvalSet } from '../../eval/eval-file.ts';
import type { Question } from '../../eval/questions.ts';
import type { Sequence } from '../../dataset/text/sequences.ts';
import { phase } from '../../events.ts';
import type { TextGenerator } from '../../generate/text/text-generator.ts';
import type { Rehearsals, TaskEvent, Trial } from '../task.ts';
import { answers, generatorOf, promptFormatOf, type AnswerSource } from './answers.ts';
import { measuredSequences, validate, type ValidationOptions } from './validation.ts';

export interface TextRehearsalSource extends AnswerSource {
  readonly questions: EvalSet | undefined;
  readonly train: readonly Sequence[];
  readonly validation: readonly Sequence[];
  readonly validationOptions: ValidationOptions;
}

export function textRehearsals(source: TextRehearsalSource): Rehearsals {
  const { config, questions, validation } = source;
  const hasEnding = config.sample_prompts.length > 0 || questions !== undefined;
  return {
    ...(validation.length > 0 && { validation: () => tryValidation(source) }),
    ...(hasEnding && { ending: () => tryAnswers(source) }),
  };
}

/** Batches that are tried. */
const SOME_BATCHES = 2;

/** It opens its programs each time. */
async function* tryValidation(source: TextRehearsalSource): AsyncGenerator<TaskEvent, Trial> {
  const { validation, validationOptions } = source;
  yield phase('trying the validation');
  const batches = Math.ceil(validation.length / validationOptions.rows);
  const stride = Math.max(1, Math.floor(batches / SOME_BATCHES));
  const some = validation.filter((_, i) => Math.floor(i / validationOptions.rows) % stride === 0);
  const took = await timed(() =>
    finished(validate(measuredSequences(source.train, some), 0, validationOptions)),
  );
  return { opening: NO_TIME, whole: scaled(took, validation.length / some.length) };
}

async function finished(events: AsyncGenerator<unknown, unknown>): Promise<void> {
  while ((await events.next()).done !== true);
}

/** Answers and questions, without the adapter and with it. */
async function* tryAnswers(source: TextRehearsalSource): AsyncGenerator<TaskEvent, Trial> {
  yield phase('trying some answers');
  const generator = generatorOf(source);
  try {
    const prompts = await tryPrompts(generator, source);
    const asked = await tryQuestions(generator, source);
    return {
      opening: sumOf([prompts.opening, asked.opening]),
      whole: sumOf([prompts.whole, asked.whole]),
      // with the adapter alone; its programs are opened each time
      preview: scaled(sumOf([prompts.opening, prompts.whole]), 1 / 2),
    };
  } finally {
    await generator.release();
  }
}

const nothing: Trial = { opening: NO_TIME, whole: NO_TIME };
/** Tokens of the trial. */
const FEW = 8;

/** Answers are expected to be as long as those of the data. */
async function tryPrompts(generator: TextGenerator, source: TextRehearsalSource): Promise<Trial> {
  const { config, train } = source;
  if (config.sample_prompts.length === 0) return nothing;
  const few = Math.min(FEW, config.sample_max_tokens);
  const short = { ...source, config: { ...config, sample_max_tokens: few } };
  const first = await timed(() => answers(generator, short));
  const again = await timed(() => answers(generator, short));
  const tokens = Math.min(config.sample_max_tokens, longest(train.map(trainedOf)));
  return {
    opening: scaled(longerBy(first, again), 2),
    whole: scaled(again, 2 * (tokens / few)),
  };
}

const trainedOf = ({ trained }: Sequence): number => trained.reduce((sum, one) => sum + one, 0);

/** Those beside each other wait for the longest. */
const longest = (lengths: readonly number[]): number =>
  [...lengths].sort((a, b) => a - b)[Math.floor(0.8 * lengths.length)] ?? 1;

/** Two groups of questions that are asked beside each other, as the evaluation asks them. */
async function tryQuestions(generator: TextGenerator, source: TextRehearsalSource): Promise<Trial> {
  const { questions } = source;
  if (questions === undefined) return nothing;
  const answerer = createAnswerer({ generator, ...promptFormatOf(source) });
  const together = answerer.together ?? 1;
  const all = [...questions.questions, ...questions.general];
  const [first, second] = [all.slice(0, together), all.slice(together, 2 * together)];
  const ask = (group: readonly Question[]) => async () => {
    await answerer.answers(group, true);
    await answerer.likelihoods(group, true);
  };
  const opened = await timed(ask(first));
  const group = second.length === 0 ? first : second;
  const again = await timed(ask(group));
  return {
    opening: scaled(longerBy(opened, again), 2),
    whole: scaled(again, (2 * all.length) / group.length),
  };
}
