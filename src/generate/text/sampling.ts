// The next token out of logits: transformers' processors of scores in its order, and a draw that
// depends on seed and position alone.

import { random, type Seed } from '../../util/philox.ts';
import { streamOf } from '../../util/streams.ts';

export interface SamplingOptions {
  /** Divisor of the logits; 0: always the likeliest token. */
  readonly temperature: number;
  /** Keep this many of the likeliest tokens; 0: all. */
  readonly topK: number;
  /** Keep the likeliest tokens that make up this part of the probability; 1: all. */
  readonly topP: number;
  /** Keep tokens at least this many times as likely as the likeliest; 0: all. */
  readonly minP: number;
  /** Above 1, tokens of the text so far become less likely (Keskar et al., arXiv 1909.05858). */
  readonly repetitionPenalty: number;
}

/** Token number `index` of an answer, behind the tokens `before`. Does not change `logits` [V]. */
export function nextToken(
  logits: Float32Array,
  before: Iterable<number>,
  options: SamplingOptions,
  seed: Seed,
  index: number,
): number {
  const scores = processed(logits, before, options);
  return options.temperature === 0
    ? likeliest(scores)
    : drawn(scores, random(seed, streamOf('answers'), index));
}

/**
 * Scores [V] after all processors; -Infinity for tokens that are out. At temperature 0 only
 * repetitions count.
 */
export function processed(
  logits: Float32Array,
  before: Iterable<number>,
  { temperature, topK, topP, minP, repetitionPenalty }: SamplingOptions,
): Float32Array {
  const scores = logits.slice();
  if (repetitionPenalty !== 1) penalize(scores, new Set(before), repetitionPenalty);
  if (temperature === 0) return scores;
  if (temperature !== 1) scores.forEach((score, id) => (scores[id] = score / temperature));
  if (topK > 0 && topK < scores.length) keepFrom(scores, lowestOfTop(scores, topK));
  if (topP < 1) keepFrom(scores, lowestOfNucleus(scores, topP));
  // p < minP · max p
  if (minP > 0) keepFrom(scores, scores[likeliest(scores)] + Math.log(minP));
  return scores;
}

/** The first of the largest. */
export function likeliest(scores: Float32Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  return best;
}

/** The token whose share of the probability, in the order of ids, holds `u` in [0, 1). */
export function drawn(scores: Float32Array, u: number): number {
  const top = scores[likeliest(scores)];
  const weights = Float64Array.from(scores, (score) => Math.exp(score - top));
  let left = u * weights.reduce((sum, weight) => sum + weight, 0);
  let last = 0;
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = id;
    left -= weight;
    if (left < 0) break;
  }
  return last;
}

/** s · penalty below 0, s / penalty above: once for a token, however often it stands there. */
function penalize(scores: Float32Array, ids: ReadonlySet<number>, penalty: number): void {
  for (const id of ids) scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
}

function keepFrom(scores: Float32Array, lowest: number): void {
  for (let id = 0; id < scores.length; id++) if (scores[id] < lowest) scores[id] = -Infinity;
}

function lowestOfTop(scores: Float32Array, count: number): number {
  return scores.slice().sort()[scores.length - count];
}

/**
 * The lowest score of those left when tokens are taken away from the unlikeliest on, while all
 * taken make up at most 1 − share; the likeliest stays.
 */
function lowestOfNucleus(scores: Float32Array, share: number): number {
  const ascending = scores.filter((score) => score > -Infinity).sort();
  const top = ascending[ascending.length - 1];
  const weights = Float64Array.from(ascending, (score) => Math.exp(score - top));
  const most = (1 - share) * weights.reduce((sum, weight) => sum + weight, 0);
  let taken = 0;
  const first = weights.findIndex((weight) => (taken += weight) > most);
  return first < 0 ? top : ascending[first];
}
