// A text generator as an answerer: prompts as in training, greedy answers, and the log-probability
// of expected answers.
import type { SampleMessage, TextContent } from '../dataset/text/sample.ts';
import type { Finding } from '../dataset/text/findings.ts';
import { unreadMessageFields } from '../dataset/text/unread-fields.ts';
import { withoutEmbedding } from '../dataset/text/sequence-findings.ts';
import { type Sequence, sequencesOf } from '../dataset/text/sequences.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import type { TokenScores } from '../generate/text/score.ts';
import type { AdapterChoice, TextGenerator } from '../generate/text/text-generator.ts';
import { type ChatMessage, type ChatTemplate, noTemplate } from '../tokenizer/chat.ts';
import type { TextTokenizer } from '../tokenizer/text.ts';
import { reasonOf } from '../util/caught.ts';
import type { Question } from './questions.ts';
import type { Likelihood } from './result.ts';

/** One language model, with its adapter or without. */
export interface Answerer {
  /** The model's answers in the questions' order, the likeliest token each time. */
  answers(questions: readonly Question[], adapter: boolean): Promise<string[]>;
  /** How probable each question's expected answer is; undefined where it has none. */
  likelihoods(
    questions: readonly Question[],
    adapter: boolean,
  ): Promise<(Likelihood | undefined)[]>;
  /** Questions that are best asked beside each other; default 1. */
  readonly together?: number;
  /** What keeps it from answering, found before anything is asked; a `warning` does not. */
  check?(question: Question): readonly CheckFinding[];
  /** Frees the model. */
  close?(): Promise<void>;
}

/** How a question becomes token ids. */
export interface PromptFormat {
  readonly tokenizer: TextTokenizer;
  /** As in training; without it a prompt is plain text. */
  readonly template?: ChatTemplate;
  /** The most tokens of question and answer together. */
  readonly maxSeqLength: number;
}

export interface AnswererOptions extends PromptFormat {
  /** Has the base and the adapter. */
  readonly generator: TextGenerator;
  /** An answer is cut after so many tokens, or after twice as many as are expected. Default 256. */
  readonly maxNewTokens?: number;
}

export type CheckFinding = FoundProblem & { readonly severity: 'error' | 'warning' };

/** What a model thinks before it answers is no part of the answer that is judged. */
export function withoutThoughts(
  answer: string,
  { template }: Pick<PromptFormat, 'template'>,
): string {
  const end = template?.reasoningEnd;
  const at = end === undefined ? -1 : answer.lastIndexOf(end);
  return end === undefined || at < 0 ? answer : answer.slice(at + end.length).trimStart();
}

/** The generator's adapter, or none. */
const choiceOf = (adapter: boolean): AdapterChoice => (adapter ? {} : { mix: [] });

/** Closing releases the generator. */
export function createAnswerer(options: AnswererOptions): Answerer {
  const { generator } = options;
  return {
    check: (question) => questionFindings(question, options),
    together: generator.together,
    async answers(questions, adapter) {
      const requests = questions.map((question) => ({
        name: question.where,
        prompt: promptIds(question, options),
        temperature: 0,
        maxNewTokens: roomOf(question, options),
      }));
      const said = await generator.answers(requests, choiceOf(adapter));
      return said.map((answer) => withoutThoughts(answer, options));
    },
    async likelihoods(questions, adapter) {
      const texts = questions.map((question) =>
        expectedOf(question, options).sequences.map(({ ids, trained }) => ({
          ids,
          from: trained.indexOf(1),
          name: question.where,
        })),
      );
      const scores = await generator.scores(texts.flat(), choiceOf(adapter));
      return texts.map(({ length }) => likelihoodOf(scores.splice(0, length)));
    },
    close: () => generator.release(),
  };
}

/**
 * What keeps a model from being asked, and with severity `warning` what it is asked with a loss;
 * needs no model.
 */
export function questionFindings(question: Question, format: PromptFormat): CheckFinding[] {
  const ofPrompt = promptFindings(question, format);
  const isTold = ({ kind }: Finding) => kind === 'no embedding' && ofPrompt.length > 0;
  const ofAnswer = expectedOf(question, format).findings.filter(
    (finding) => matters(finding) && !isTold(finding),
  );
  return [...ofPrompt, ...ofAnswer, ...unreadFindings(question, format)];
}

function unreadFindings(question: Question, { template }: PromptFormat): CheckFinding[] {
  const { where, prompt } = question;
  const content = contentOf(question) ?? (prompt.kind === 'chat' ? prompt : undefined);
  if (content === undefined) return [];
  const unread = unreadMessageFields([{ where, source: 0, content }], template);
  return unread.map((problem) => ({ ...problem, severity: 'warning' }));
}

// ---- the question as the model reads it

const asMessages = ({ prompt }: Question): readonly ChatMessage[] =>
  prompt.kind === 'chat'
    ? prompt.messages
    : prompt.kind === 'completion'
      ? [{ role: 'user', content: prompt.text }]
      : [];

function promptIds(question: Question, { tokenizer, template }: PromptFormat): Int32Array {
  if (template === undefined)
    return tokenizer.encode(question.prompt.kind === 'completion' ? question.prompt.text : '');
  return tokenizer.encode(template.render(asMessages(question), true), { special: false });
}

/** What would keep the model from reading the question. */
function promptFindings(question: Question, options: PromptFormat): CheckFinding[] {
  const { template, maxSeqLength } = options;
  const { where, prompt } = question;
  if (prompt.kind === 'text') return [];
  if (prompt.kind === 'chat' && template === undefined)
    return [
      {
        severity: 'error',
        where,
        what: `is a conversation, but ${noTemplate(options.tokenizer).what}`,
        fix: 'Name the one used in training, for example chat_template: chatml.',
      },
    ];
  try {
    const ids = promptIds(question, options);
    return [
      ...withoutEmbedding({ where, content: prompt }, ids, options.tokenizer),
      ...tooLong(where, ids.length, maxSeqLength),
    ];
  } catch (error) {
    const reason = reasonOf(error);
    return [
      {
        severity: 'error',
        where,
        what: `the chat template (${template?.name}) refuses the question: ${reason}`,
        fix: 'Change the question, or choose another chat_template.',
      },
    ];
  }
}

/** All words of the expected answer, those that it thinks included. */
const expectedWords = ({ expected = '', expectedFields = {} }: Question): string =>
  [expected, ...Object.values(expectedFields).filter((one) => typeof one === 'string')].join('\n');

const tooLong = (where: string, length: number, most: number): CheckFinding[] =>
  length < most
    ? []
    : [
        {
          severity: 'error',
          where,
          what: `the question alone has ${length} tokens; question and answer together may have at most ${most}`,
          fix: 'Shorten it, or raise max_seq_length.',
        },
      ];

/**
 * Room for an answer twice as long as expected, so that a model that never ends does not talk on
 * and on.
 */
function roomOf(question: Question, options: AnswererOptions): number {
  const { maxNewTokens = 256, tokenizer, maxSeqLength } = options;
  const wanted =
    question.expected === undefined
      ? maxNewTokens
      : 2 * tokenizer.encode(expectedWords(question), { special: false }).length + 16;
  return Math.max(
    1,
    Math.min(maxNewTokens, wanted, maxSeqLength - promptIds(question, options).length),
  );
}

// ---- the expected answer

interface Expected {
  readonly sequences: readonly Sequence[];
  readonly findings: readonly Finding[];
}

function likelihoodOf(scores: readonly TokenScores[]): Likelihood | undefined {
  const tokens = scores.reduce((sum, one) => sum + one.tokens.length, 0);
  const logProbability = scores.reduce((total, { sum }) => total + sum, 0);
  return tokens === 0 ? undefined : { logProbability, tokens };
}

/**
 * Rendered and selected as in training, so that what is scored is what training makes likely;
 * earlier answers do not count.
 */
function expectedOf(
  question: Question,
  { tokenizer, template, maxSeqLength }: PromptFormat,
): Expected {
  const content = contentOf(question);
  if (content === undefined) return { sequences: [], findings: [] };
  return sequencesOf(
    { where: question.where, source: 0, content },
    { tokenizer, template, maxSeqLength },
  );
}

function contentOf({
  prompt,
  expected,
  expectedFields: fields,
}: Question): TextContent | undefined {
  if (expected === undefined) return undefined;
  if (prompt.kind === 'text') return { kind: 'text', text: expected };
  if (prompt.kind === 'completion')
    return { kind: 'completion', prompt: prompt.text, completion: expected };
  const before = prompt.messages.map((message): SampleMessage =>
    message.role === 'assistant' ? { ...message, train: false } : message,
  );
  return { kind: 'chat', messages: [...before, { role: 'assistant', content: expected, fields }] };
}

/**
 * A missing end token matters in training only; a question that the template refuses is named
 * once, as a question.
 */
const matters = ({ kind }: Finding): boolean =>
  kind !== 'no end token' && kind !== 'template fails';
