// What the model answers: sample prompts without and with the adapter, and the evaluation at the
// end.

import { liveMix } from '../live-adapter.ts';
import { basename } from 'node:path';
import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { createAnswerer, questionFindings } from '../../eval/answerer.ts';
import { readEvalFile, type EvalSet } from '../../eval/eval-file.ts';
import { checkQuestions, evaluate } from '../../eval/evaluate.ts';
import { evaluationFiles } from '../../eval/page.ts';
import { ConfigError, type Problem } from '../../errors.ts';
import {
  createTextGenerator,
  type AdapterChoice,
  type TextGenerator,
} from '../../generate/text/text-generator.ts';
import {
  completeTextRequest,
  type TextPrompt,
  windowOf,
} from '../../generate/text/text-request.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { type SampleEvent, phase } from '../../events.ts';
import type { TaskContext, TaskEvent, Write } from '../task.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';

/** What is needed to turn a question into tokens. */
interface PromptSource {
  readonly base: Pick<LanguageModelWeights, 'config'>;
  readonly config: TrainConfig;
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate | undefined;
}

export interface AnswerSource extends PromptSource {
  readonly base: LanguageModelWeights;
  readonly adapted: AdaptedLanguageModel;
  readonly context: TaskContext;
}

/**
 * The questions of `eval_path`, read before training so that their faults are found then. Throws
 * DataError.
 */
export async function questionsOf({
  eval_path,
  eval_general_path,
}: TrainConfig): Promise<EvalSet | undefined> {
  return eval_path === undefined ? undefined : readEvalFile(eval_path, eval_general_path);
}

/**
 * What cannot be asked is reported before training, not at its end. Throws ConfigError for sample
 * prompts, DataError for questions.
 */
export function requireAskable(
  source: PromptSource & { readonly questions: EvalSet | undefined },
): void {
  const { base, config, tokenizer, template, questions } = source;
  const problems = config.sample_prompts.flatMap((prompt, i): readonly Problem[] => {
    try {
      completeTextRequest(
        { prompt: asked(prompt, template) },
        { tokenizer, template, config: base.config },
      );
      return [];
    } catch (error) {
      if (error instanceof ConfigError)
        return error.problems.map((problem) => ({
          ...problem,
          where: `sample_prompts, number ${i + 1}`,
        }));
      throw error;
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
  if (questions !== undefined)
    checkQuestions(questions, (question) => questionFindings(question, promptFormatOf(source)));
}

export const promptFormatOf = ({ base, config, tokenizer, template }: PromptSource) => ({
  tokenizer,
  template,
  maxSeqLength: Math.min(config.max_seq_length, windowOf(base.config)),
});

/** Answers with the adapter as it is now. */
export async function* previews(
  source: AnswerSource,
  step: number,
): AsyncGenerator<TaskEvent, void> {
  const generator = generatorOf(source);
  try {
    const said = await answers(generator, source);
    for (const [i, prompt] of source.config.sample_prompts.entries())
      yield { type: 'sample', step, prompt, answer: said[i] };
  } finally {
    await generator.release();
  }
}

/**
 * Answers without and with the adapter, then the evaluation; returns the files by what they are.
 */
export async function* lastAnswers(
  source: AnswerSource,
  step: number,
  questions: EvalSet | undefined,
  write: Write,
): AsyncGenerator<TaskEvent, ReadonlyMap<string, string>> {
  const generator = generatorOf(source);
  try {
    const answers = yield* compared(generator, source, step, write);
    const evaluation =
      questions === undefined ? undefined : yield* evaluated(generator, source, questions, write);
    return new Map([
      ...(answers === undefined ? [] : [['answers', answers] as const]),
      ...(evaluation === undefined ? [] : [['evaluation', evaluation] as const]),
    ]);
  } finally {
    await generator.release();
  }
}

export function generatorOf({
  base,
  config,
  adapted,
  tokenizer,
  context,
}: AnswerSource): TextGenerator {
  return createTextGenerator({
    model: base,
    tokenizer,
    chatTemplate: config.chat_template,
    templateDate: config.template_date,
    mix: liveMix(adapted),
    runtime: context.runtime,
  });
}

/**
 * A question to the assistant where the model has a chat template, else the beginning of a text.
 */
const asked = (prompt: string, template: ChatTemplate | undefined): TextPrompt =>
  template === undefined ? prompt : [{ role: 'user', content: prompt }];

/** To all sample prompts, with the adapter where nothing else is chosen. */
export function answers(
  generator: TextGenerator,
  { config, template }: AnswerSource,
  choice: AdapterChoice = {},
): Promise<string[]> {
  const requests = config.sample_prompts.map((prompt) => ({
    prompt: asked(prompt, template),
    maxNewTokens: config.sample_max_tokens,
    temperature: config.sample_temperature,
    seed: config.sample_seed,
  }));
  return generator.answers(requests, choice);
}

async function* compared(
  generator: TextGenerator,
  source: AnswerSource,
  step: number,
  write: Write,
): AsyncGenerator<TaskEvent, string | undefined> {
  const { sample_prompts: prompts } = source.config;
  if (prompts.length === 0) return undefined;
  yield phase('answering the prompts');
  const [without, with_] = [
    await answers(generator, source, { mix: [] }),
    await answers(generator, source),
  ];
  const events = prompts.map((prompt, i): SampleEvent => ({
    type: 'sample',
    step,
    prompt,
    baseAnswer: without[i],
    answer: with_[i],
  }));
  yield* events;
  return write('answers.md', new TextEncoder().encode(answersText(events)));
}

const quoted = (text = ''): string =>
  text
    .trim()
    .split('\n')
    .map((line) => `> ${line}`.trimEnd())
    .join('\n');

const answersText = (events: readonly SampleEvent[]): string =>
  events
    .map(
      ({ prompt, baseAnswer, answer: adapted }) =>
        `## ${prompt.trim().replace(/\s+/g, ' ')}\n\nWithout the adapter:\n\n${quoted(baseAnswer)}\n\nWith it:\n\n${quoted(adapted)}\n`,
    )
    .join('\n');

async function* evaluated(
  generator: TextGenerator,
  source: AnswerSource,
  questions: EvalSet,
  write: Write,
): AsyncGenerator<TaskEvent, string | undefined> {
  const { base, config, context } = source;
  const answerer = createAnswerer({ generator, ...promptFormatOf(source) });
  const names = { base: basename(base.path), adapter: basename(config.output_dir) };
  const events = evaluate({ model: { answerer, names }, questions, signal: context.signal });
  for (let next = await events.next(); ; next = await events.next()) {
    if (next.done !== true) {
      if (next.value.type !== 'judged') yield next.value;
      continue;
    }
    if (next.value === undefined) return undefined;
    const [page] = [...evaluationFiles(next.value)].map(([name, content]) => write(name, content));
    yield { type: 'evaluated', result: next.value };
    return page;
  }
}
