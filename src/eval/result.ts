// What an evaluation finds: plain data, as it goes into eval.json.
import type { AnswerScore } from './score.ts';
import type { Question } from './questions.ts';
import type { Comparison, Trend } from './statistics.ts';

/**
 * How probable the expected answer is to a model: Σ log p of its tokens, its end token included.
 */
export interface Likelihood {
  readonly logProbability: number;
  readonly tokens: number;
}

/** What a model made of a question. */
export interface Judged extends Partial<AnswerScore> {
  /** Absent for a text that asks nothing. */
  readonly answer?: string;
  readonly likelihood?: Likelihood;
}

export interface JudgedQuestion {
  readonly question: Question;
  readonly base: Judged;
  readonly adapter: Judged;
}

/** `done` of `of`. */
export interface Tally {
  readonly done: number;
  readonly of: number;
}

/** A set's answers of one model, each figure absent where no question asks for it. */
export interface Totals {
  /** exp(−mean log p of the expected answers' tokens): 1 is certainty, lower is better. */
  readonly perplexity?: number;
  readonly exact?: Tally;
  /** Mean F1, 0 to 1. */
  readonly overlap?: number;
  readonly facts?: Tally;
  /** Answers without any forbidden phrase, of those that have some to avoid. */
  readonly clean?: Tally;
  /** Mean score of the answers, 0 to 1. */
  readonly score?: number;
}

/** Adapter against base over the same questions, and what that means. */
export interface Change extends Comparison {
  readonly trend: Trend;
}

export interface SetResult {
  readonly questions: readonly JudgedQuestion[];
  readonly base: Totals;
  readonly adapter: Totals;
  /** Difference of the scores, −1 to 1. Absent where no answer is judged. */
  readonly answers?: Change;
  /**
   * Difference of the mean log probability of a token of the expected answer, in nats. Absent
   * without expected answers.
   */
  readonly likelihood?: Change;
}

export type VerdictKind = 'better' | 'same' | 'worse' | 'forgot' | 'too few questions';

export interface Verdict {
  readonly kind: VerdictKind;
  /** A few words. */
  readonly headline: string;
  /** One or two sentences that say why. */
  readonly reasons: readonly string[];
}

export interface EvalResult {
  readonly verdict: Verdict;
  /** Names for people: a folder, a file. */
  readonly names: { readonly base: string; readonly adapter: string; readonly questions: string };
  /** What computed the answers; absent at the end of a training run, whose run.json says it. */
  readonly device?: string;
  /** Absent where all questions were asked. */
  readonly stopped?: Tally;
  readonly questions: SetResult;
  readonly general?: SetResult;
}

/** The adapter was compared with its base on questions. */
export interface EvaluatedEvent {
  readonly type: 'evaluated';
  readonly result: EvalResult;
}
