// Questions from training data: the held-out split of the training, each conversation asked up to
// its last answer.
import { textSources } from '../dataset/text/configured.ts';
import { prepareTextData } from '../dataset/text/prepare.ts';
import type { TextSource } from '../dataset/text/read.ts';
import { endsWithAnswer, type TextSample } from '../dataset/text/sample.ts';
import type { Sequence } from '../dataset/text/sequences.ts';
import type { Seed } from '../util/philox.ts';
import type { PromptFormat } from './answerer.ts';
import type { EvalSet } from './eval-file.ts';
import { expectedFields, type Question } from './questions.ts';

export interface HeldOut {
  /** The files of the training, or folders of them. */
  readonly sources: readonly TextSource[];
  /** Files that are not trained: these are asked, and nothing is held out of `sources`. */
  readonly validationSources?: readonly TextSource[];
  /** Of the training: with the same share and seed, the same samples are held out. */
  readonly share: number;
  readonly seed: Seed;
}

/** Throws DataError as training does. */
export async function heldOutSet(
  { sources: named, validationSources: validationFiles = [], share, seed }: HeldOut,
  { tokenizer, template, maxSeqLength }: PromptFormat,
): Promise<EvalSet> {
  const { sources, validationSources } = textSources({
    train_data: named.map(({ path, weight = 1 }) => ({ path, weight })),
    validation_data: validationFiles.map(({ path }) => path),
    validation_split: share,
  });
  const { validation, warnings } = await prepareTextData({
    sources,
    validationSources,
    validationShare: share,
    seed,
    tokenizer,
    template,
    maxSeqLength,
  });
  return { questions: heldOutQuestions(validation), general: [], warnings };
}

/** A question for each sample of the held-out sequences. */
function heldOutQuestions(validation: readonly Pick<Sequence, 'sample'>[]): Question[] {
  return [...new Set(validation.map(({ sample }) => sample))]
    .filter(({ content }) => endsWithAnswer(content))
    .map(asQuestion);
}

function asQuestion({ where, content }: TextSample): Question {
  const common = { where, facts: [], forbidden: [] };
  if (content.kind === 'text')
    return { ...common, prompt: { kind: 'text' }, expected: content.text };
  if (content.kind === 'completion')
    return {
      ...common,
      prompt: { kind: 'completion', text: content.prompt },
      expected: content.completion,
    };
  const last = content.messages[content.messages.length - 1];
  return {
    ...common,
    prompt: { kind: 'chat', messages: content.messages.slice(0, -1) },
    expected: last.content,
    ...expectedFields(last),
  };
}
