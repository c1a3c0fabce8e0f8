// The verdict for people who know no statistics: better, same, worse, forgot, or too few questions
// to tell.
import { InternalError } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { perplexityText } from './figures.ts';
import { FEWEST, type Trend } from './statistics.ts';
import type { Change, SetResult, Tally, Totals, Verdict, VerdictKind } from './result.ts';

const headlines: Readonly<Record<VerdictKind, string>> = {
  better: 'Better with the adapter',
  same: 'The same with and without the adapter',
  worse: 'Worse with the adapter',
  forgot: 'The adapter forgot what the base could do',
  'too few questions': 'Too few questions to tell',
};

/** `stopped`: not all questions were asked. */
export function verdictOf(
  questions: SetResult,
  general: SetResult | undefined,
  stopped?: Tally,
): Verdict {
  const main = trendOfSet(questions);
  const lost = general !== undefined && trendOfSet(general) === 'worse';
  const kind = kindOf(main, lost, questions);
  const cut =
    stopped === undefined
      ? []
      : [
          `The evaluation was stopped early: ${stopped.done} of ${plural(stopped.of, 'question')} were asked.`,
        ];
  const reasons = [
    mainReason(questions, main),
    ...(general === undefined ? [] : [generalReason(general)]),
    ...cut,
  ];
  return { kind, headline: headlines[kind], reasons };
}

function kindOf(main: Trend, lost: boolean, { questions }: SetResult): VerdictKind {
  if (main === 'worse') return 'worse';
  if (lost) return 'forgot';
  if (main !== 'unclear') return main;
  return questions.every(isUntouched) ? 'same' : 'too few questions';
}

/** An adapter that changes nothing is the same, however few the questions. */
function isUntouched({ base, adapter }: SetResult['questions'][number]): boolean {
  const moved = Math.abs(
    (base.likelihood?.logProbability ?? 0) - (adapter.likelihood?.logProbability ?? 0),
  );
  return base.answer === adapter.answer && moved <= 1e-3;
}

/**
 * Nats per token (a fifth of the perplexity) from which the likelihood counts although the answers
 * score the same.
 */
const LARGE = 0.2;
/**
 * Mean score below which neither model answers at all: that both score the same then says nothing.
 */
const FLOOR = 0.05;

/**
 * The answers count first: they are what people get. Where they do not tell, the likelihood of the
 * expected answers may.
 */
export function trendOfSet(set: SetResult): Trend {
  const { answers, likelihood } = set;
  const said = answers?.trend ?? 'unclear';
  if (said === 'better' || said === 'worse' || likelihood === undefined) return said;
  const tells =
    (likelihood.trend === 'better' || likelihood.trend === 'worse') && mayDecide(set, likelihood);
  return tells || answers === undefined || (said === 'same' && atFloor(set))
    ? likelihood.trend
    : said;
}

/** Also where no answer is judged at all. */
const atFloor = ({ base, adapter }: SetResult): boolean =>
  Math.max(base.score ?? 0, adapter.score ?? 0) < FLOOR;

/**
 * Not against answers that lean the other way, and not for a trifle where the answers score alike:
 * an adapter of noise alone makes a model less sure of what it gets wrong.
 */
function mayDecide(set: SetResult, { mean }: Change): boolean {
  const { answers } = set;
  if (answers === undefined) return true;
  if (answers.trend === 'same' || Math.abs(answers.mean) < 0.03)
    return Math.abs(mean) >= LARGE || atFloor(set);
  return Math.sign(answers.mean) === Math.sign(mean);
}

// ---- reasons

const points = (share: number | undefined): string =>
  String(Math.round(100 * known(share, 'score')));
const figure = (value: number | undefined): string => perplexityText(known(value, 'perplexity'));

function known(value: number | undefined, name: string): number {
  if (value === undefined) throw new InternalError(`a set of questions without ${name}`);
  return value;
}

const perplexities = ({ base, adapter }: SetResult): string =>
  `perplexity ${figure(base.perplexity)} → ${figure(adapter.perplexity)}`;
const scores = ({ base, adapter }: SetResult): string =>
  `${points(base.score)} → ${points(adapter.score)} of 100 points`;

/** What there is to tell of the set; the likelihood where neither model answers at all. */
function measured(set: SetResult): string {
  const { answers, likelihood } = set;
  if (likelihood !== undefined && (answers === undefined || atFloor(set))) return perplexities(set);
  return answers === undefined ? 'nothing could be measured' : scores(set);
}

function mainReason(set: SetResult, trend: Trend): string {
  if (trend === 'unclear') return unclearReason(set);
  const { answers, likelihood, base, adapter } = set;
  if (answers?.trend === trend && trend !== 'same')
    return `${scoreSentence(set)}${factsClause(base, adapter)}${caveat(trend, likelihood)}.`;
  if (trend === 'same') return sameReason(set);
  const way = trend === 'better' ? 'more' : 'less';
  return `The expected answers have become ${way} likely for the model: ${perplexities(set)}${answersClause(set)}.`;
}

/** What the answers say where the likelihood decided. */
function answersClause(set: SetResult): string {
  const { answers, adapter } = set;
  if (answers === undefined) return '';
  if (atFloor(set))
    return `, though it still answers hardly any question (${points(adapter.score)} of 100 points)`;
  if (answers.trend === 'same') return ', though the answers themselves score the same';
  return Math.abs(answers.mean) < 0.03
    ? `, though the answers themselves score about the same (${scores(set)})`
    : `, and the answers lean that way too (${scores(set)})`;
}

const scoreSentence = ({ questions, base, adapter }: SetResult): string =>
  `Over ${plural(questions.length, 'question')} the answers score ${points(adapter.score)} of 100 with the adapter and ${points(base.score)} without, more than chance would explain`;

function factsClause(base: Totals, adapter: Totals): string {
  if (base.facts === undefined || adapter.facts === undefined) return '';
  return `; they contain ${adapter.facts.done} of ${adapter.facts.of} facts (${base.facts.done} before)`;
}

/** The two measures disagree. */
function caveat(trend: Trend, likelihood: Change | undefined): string {
  if (
    likelihood === undefined ||
    likelihood.trend === trend ||
    likelihood.trend === 'same' ||
    likelihood.trend === 'unclear'
  )
    return '';
  return trend === 'better'
    ? ', although the exact wording expected has become less likely'
    : ', although the exact wording expected has become more likely';
}

function sameReason(set: SetResult): string {
  const { questions, answers, likelihood, base, adapter } = set;
  if (questions.every(isUntouched))
    return `The adapter changes none of the ${plural(questions.length, 'answer')}.`;
  if (likelihood !== undefined && (answers === undefined || atFloor(set)))
    return `The expected answers are as likely as before: ${perplexities(set)}.`;
  return `Over ${plural(questions.length, 'question')} the answers score ${points(adapter.score)} of 100 with the adapter and ${points(base.score)} without, a difference too small to matter.`;
}

function unclearReason(set: SetResult): string {
  const { questions, answers, likelihood } = set;
  const seen = measured(set);
  if (questions.every(isUntouched))
    return `The adapter changes none of the ${plural(questions.length, 'answer')}.`;
  if (questions.length < FEWEST)
    return `${plural(questions.length, 'question')} ${questions.length === 1 ? 'shows' : 'show'} too little (${seen}); ask at least ${FEWEST}, preferably 30.`;
  const told = atFloor(set) ? (likelihood ?? answers) : (answers ?? likelihood);
  return `What ${plural(questions.length, 'question')} show (${seen}) may be chance; ask about ${enough(told)} questions.`;
}

/**
 * Questions at which the width of the interval falls to the difference seen, at most a thousand: it
 * goes with 1 / √n.
 */
function enough(change: Change | undefined): string {
  if (change?.interval === undefined) return 'several times as many';
  const half = (change.interval[1] - change.interval[0]) / 2;
  const count =
    Math.ceil((change.count * (half / Math.max(Math.abs(change.mean), 0.03)) ** 2 * 1.5) / 10) * 10;
  return count > 1000 ? 'a thousand or more' : `${Math.max(count, 2 * change.count)}`;
}

function generalReason(set: SetResult): string {
  const { questions } = set;
  const name = `In the general set (${plural(questions.length, 'question')})`;
  if (questions.every(isUntouched)) return `${name} nothing changed.`;
  const trend = trendOfSet(set);
  const [mean, figures] = generalFigures(set, trend);
  if (trend === 'worse') return `${name} the model has become worse: ${figures}.`;
  if (trend !== 'unclear') return `${name} nothing was lost: ${figures}.`;
  return mean < 0
    ? `${name} the model does less well, ${figures}, but that may be chance.`
    : `${name} no loss is visible: ${figures}.`;
}

/** The mean of the measure that the trend comes from, and its values before and after. */
function generalFigures(set: SetResult, trend: Trend): readonly [number, string] {
  const { answers, likelihood } = set;
  if (answers !== undefined && (answers.trend === trend || trend === 'unclear'))
    return [answers.mean, scores(set)];
  return likelihood === undefined ? [0, measured(set)] : [likelihood.mean, perplexities(set)];
}
