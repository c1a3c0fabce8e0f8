// From judged answers to the figures of a set and to what changed between base and adapter.
import { compareDifferences, trendOf } from './statistics.ts';
import type {
  Change,
  Judged,
  JudgedQuestion,
  Likelihood,
  SetResult,
  Tally,
  Totals,
} from './result.ts';

/**
 * The smallest changes that count: of the score (0 to 1), and of log p per token in nats (5 % of
 * the perplexity).
 */
const MARGINS = { score: 0.03, likelihood: 0.05 } as const;
/**
 * Any training moves the likelihood of other texts a little; in the general set only more than this
 * counts (10 %).
 */
const GENERAL_MARGINS = { score: 0.03, likelihood: 0.1 } as const;

/** `general`: what was there before must not have been lost; small changes are forgiven. */
export function setResult(questions: readonly JudgedQuestion[], general = false): SetResult {
  const margins = general ? GENERAL_MARGINS : MARGINS;
  const scores = questions.flatMap(({ base, adapter }) =>
    base.score === undefined || adapter.score === undefined ? [] : [adapter.score - base.score],
  );
  const likelihoods = questions.flatMap(({ base, adapter }) =>
    base.likelihood === undefined || adapter.likelihood === undefined
      ? []
      : [perToken(adapter.likelihood) - perToken(base.likelihood)],
  );
  return {
    questions,
    base: totals(questions.map(({ base }) => base)),
    adapter: totals(questions.map(({ adapter }) => adapter)),
    ...(scores.length === 0 ? {} : { answers: change(scores, margins.score) }),
    ...(likelihoods.length === 0 ? {} : { likelihood: change(likelihoods, margins.likelihood) }),
  };
}

export const perToken = ({ logProbability, tokens }: Likelihood): number =>
  logProbability / Math.max(1, tokens);

function change(differences: readonly number[], margin: number): Change {
  const comparison = compareDifferences(differences);
  return { ...comparison, trend: trendOf(comparison, margin) };
}

function totals(answers: readonly Judged[]): Totals {
  const scores = answers.flatMap(({ score }) => score ?? []);
  const overlaps = answers.flatMap(({ overlap }) => overlap ?? []);
  return {
    ...perplexityOf(answers.flatMap(({ likelihood }) => likelihood ?? [])),
    ...(overlaps.length === 0
      ? {}
      : { exact: tally(answers.flatMap(({ exact }) => exact ?? [])), overlap: mean(overlaps) }),
    ...counted('facts', tally(answers.flatMap(({ facts }) => facts ?? []))),
    ...counted(
      'clean',
      tally(
        answers.flatMap(({ forbidden, guarded }) =>
          guarded === true ? [forbidden?.length === 0] : [],
        ),
      ),
    ),
    ...(scores.length === 0 ? {} : { score: mean(scores) }),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const tally = (flags: readonly boolean[]): Tally => ({
  done: flags.filter(Boolean).length,
  of: flags.length,
});
const counted = (name: 'facts' | 'clean', value: Tally): Partial<Totals> =>
  value.of === 0 ? {} : { [name]: value };

/** exp(−Σ log p / tokens) over all answers, so that a long answer counts by its length. */
function perplexityOf(likelihoods: readonly Likelihood[]): { perplexity?: number } {
  const tokens = likelihoods.reduce((sum, one) => sum + one.tokens, 0);
  if (tokens === 0) return {};
  return {
    perplexity: Math.exp(
      -likelihoods.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens,
    ),
  };
}
