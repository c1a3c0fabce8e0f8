// Is a mean of paired differences more than chance? A sign-flip permutation test, for few
// Student's, and Student's interval of the mean.
import { sequence } from '../util/philox.ts';
import { streamOf } from '../util/streams.ts';

export interface Comparison {
  /** Pairs compared. */
  readonly count: number;
  /** Mean of (with the adapter − without). */
  readonly mean: number;
  /** 95 % interval of the mean; absent for fewer than three pairs. */
  readonly interval?: readonly [number, number];
  /** How often chance alone would make a difference at least this large, in either direction. */
  readonly chance: number;
}

/**
 * `better` and `worse`: more than chance and at least the margin. `same`: surely less than the
 * margin.
 */
export type Trend = 'better' | 'same' | 'worse' | 'unclear';

/** Of each of the two measures of a set, so that both together are wrong one time in twenty. */
const CHANCE = 0.025;
/** Fewer pairs may show a difference, but never that there is none. */
export const FEWEST = 7;
/** Fewer pairs than this tell nothing. */
const LEAST = 3;

export function compareDifferences(differences: readonly number[]): Comparison {
  const count = differences.length;
  const mean = count === 0 ? 0 : sumOf(differences) / count;
  return {
    count,
    mean,
    ...(count < 3 ? {} : { interval: intervalOf(differences, mean) }),
    chance: chanceOf(differences),
  };
}

/** `margin`: the smallest difference that anyone would notice. */
export function trendOf({ count, mean, interval, chance }: Comparison, margin: number): Trend {
  if (chance <= CHANCE && Math.abs(mean) >= margin) return mean > 0 ? 'better' : 'worse';
  if (count < FEWEST || interval === undefined) return 'unclear';
  return interval[0] > -margin && interval[1] < margin ? 'same' : 'unclear';
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** Fewer pairs have too few sign patterns: where one of seven is a draw, none would tell. */
const PATTERNS = 15;
const DRAWS = 20000;

function chanceOf(differences: readonly number[]): number {
  return differences.length < PATTERNS
    ? chanceOfFew(differences)
    : drawnPatterns(differences.map(Math.abs), Math.abs(sumOf(differences)) * (1 - 1e-9));
}

/**
 * Student's test. Of few that happen to be alike the spread is taken as a quarter of their mean.
 */
function chanceOfFew(differences: readonly number[]): number {
  const n = differences.length;
  const mean = sumOf(differences) / n;
  if (n < LEAST || mean === 0) return 1;
  const spread = Math.max(Math.sqrt(varianceOf(differences, mean)), Math.abs(mean) / 4);
  return 1 - studentWithin(Math.abs(mean) / (spread / Math.sqrt(n)), n - 1);
}

/**
 * Share of Student's t within [−t, t]: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
 */
export function studentWithin(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = degrees % 2;
  let [term, sum] = [odd === 1 ? cosine : 1, 0];
  for (let k = odd === 1 ? 1 : 0; k < degrees - 1; k += 2) {
    sum += term;
    term *= (cosine * cosine * (k + 1)) / (k + 2);
  }
  return odd === 1 ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}

/**
 * If the adapter did nothing, each difference could as well have the other sign: the share of sign
 * patterns whose sum is as large. The same seed always: a verdict must not change when it is asked
 * for again.
 */
function drawnPatterns(sizes: readonly number[], observed: number): number {
  const next = sequence(1, streamOf('statistics'));
  let asLarge = 1;
  for (let draw = 0; draw < DRAWS; draw++) {
    let sum = 0;
    for (const size of sizes) sum += next() < 0.5 ? size : -size;
    if (Math.abs(sum) >= observed) asLarge++;
  }
  return asLarge / (DRAWS + 1);
}

/** mean ± t · s / √n */
function intervalOf(differences: readonly number[], mean: number): readonly [number, number] {
  const n = differences.length;
  const half = studentQuantile(n - 1) * Math.sqrt(varianceOf(differences, mean) / n);
  return [mean - half, mean + half];
}

const varianceOf = (values: readonly number[], mean: number): number =>
  sumOf(values.map((value) => (value - mean) ** 2)) / (values.length - 1);

/**
 * 97.5 % quantile of Student's t; expansion of Abramowitz and Stegun 26.7.5, off by 3 % for 2
 * degrees of freedom and under 0.1 % from 5 on.
 */
function studentQuantile(degrees: number): number {
  const z = 1.959964;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, power) => sum + term / degrees ** power, 0);
}
