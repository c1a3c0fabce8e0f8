// Brownian motion that depends on a seed alone and not on where it is asked: torchsde's
// BrownianTree (Li et al., arXiv 2001.01328), with a seed from NumPy's SeedSequence for every fork,
// as WebUI gives it to k-diffusion's SDE samplers.

import { InternalError } from '../../errors.ts';
import { seedSequence } from '../../util/seed-sequence.ts';
import type { NoiseGenerator } from './noise-sources.ts';

const f32 = Math.fround;

/** Words in the pool of each SeedSequence. */
const POOL = 24;
/** Decimals of times: closer ones count as one. */
const DIGITS = 6;
/**
 * Increments that are kept for the next question, which begins where the last one ended: two paths
 * through the tree.
 */
const KEPT = 64;

/** A stretch of time, halved as often as needed. */
interface Interval {
  readonly start: number;
  readonly end: number;
  /** Which of the forks it is: 2 · its parent's + (0 left, 1 right), and how deep. */
  readonly key: number;
  readonly depth: number;
}

export interface MotionOptions {
  readonly seed: number;
  /** The earliest and the latest time. */
  readonly from: number;
  readonly to: number;
  /** Numbers of one increment. */
  readonly size: number;
  /** The generator of a seed. */
  readonly generator: (seed: number) => NoiseGenerator;
}

export class BrownianMotion {
  readonly #options: MotionOptions;
  readonly #root: Interval;
  readonly #whole: Float32Array;
  /** How far the motion goes in the left halves of intervals that were asked for last. */
  readonly #lefts = new Map<string, Float32Array>();

  constructor(options: MotionOptions) {
    const { seed, from, to } = options;
    this.#options = options;
    this.#root = { start: rounded(from), end: rounded(to), key: 0, depth: 0 };
    const factor = f32(Math.sqrt(to - from));
    this.#whole = this.#normals(seedSequence(seed, [], POOL, 1)[0]).map((x) => x * factor);
  }

  /** How far the motion goes between two times, the earlier first. */
  between(from: number, to: number): Float32Array {
    const [start, end] = [from, to].map((time) => this.#held(rounded(time)));
    const sum = new Float32Array(this.#options.size);
    if (start < end) this.#add(sum, start, end, this.#root, this.#whole);
    return sum;
  }

  #held(time: number): number {
    return Math.min(Math.max(time, this.#root.start), this.#root.end);
  }

  #normals(seed: number): Float32Array {
    return this.#options.generator(seed)(new Float32Array(this.#options.size));
  }

  /**
   * Adds what lies in an interval, in which the motion goes as far as `whole`, from left to right.
   */
  #add(sum: Float32Array, from: number, to: number, inside: Interval, whole: Float32Array): void {
    const { start, end, key, depth } = inside;
    if (from === start && to === end) {
      for (let i = 0; i < sum.length; i++) sum[i] += whole[i];
      return;
    }
    const middle = middleOf(inside);
    if (middle === start || middle === end)
      throw new InternalError(`no fork between ${start} and ${end}`);
    const left = this.#left(inside, whole);
    const under = { key: 2 * key, depth: depth + 1 };
    if (from < middle)
      this.#add(sum, from, Math.min(to, middle), { ...under, start, end: middle }, left);
    if (to <= middle) return;
    const right = { ...under, key: 2 * key + 1, start: middle, end };
    this.#add(
      sum,
      Math.max(from, middle),
      to,
      right,
      whole.map((w, i) => w - left[i]),
    );
  }

  #left(interval: Interval, whole: Float32Array): Float32Array {
    const name = `${interval.depth} ${interval.key}`;
    const left = this.#lefts.get(name) ?? this.#forked(interval, whole);
    this.#lefts.delete(name);
    this.#lefts.set(name, left); // the last again
    const [oldest] = this.#lefts.keys();
    if (this.#lefts.size > KEPT) this.#lefts.delete(oldest);
    return left;
  }

  /** (l / h) W + √(l r / h) noise, each operation in float32. */
  #forked(interval: Interval, whole: Float32Array): Float32Array {
    const middle = middleOf(interval);
    const [left, right] = [middle - interval.start, interval.end - middle];
    const share = 1 / (interval.end - interval.start);
    const { key, depth } = interval;
    const noise = this.#normals(seedSequence(this.#options.seed, [key, depth], POOL, 1)[0]);
    const [l, h, deviation] = [left, share, Math.sqrt(left * right * share)].map(f32);
    return whole.map((w, i) => f32(f32(l * w) * h) + f32(deviation * noise[i]));
  }
}

const middleOf = ({ start, end }: Interval): number => rounded(0.5 * (end + start));

/** To DIGITS decimals as Python rounds: exactly, and halves to the even digit. */
function rounded(time: number): number {
  const units = time * 10 ** DIGITS;
  const below = Math.floor(units);
  const isNearHalf = Math.abs(units - below - 0.5) < 1e-3; // the product is rounded, too
  return (isNearHalf ? halved(time, below) : Math.round(units)) / 10 ** DIGITS;
}

/** `below` or one more, by all decimals of a time between them. */
function halved(time: number, below: number): number {
  const rest = time.toFixed(100).split('.')[1].slice(DIGITS);
  if (/^50*$/.test(rest)) return below + (below % 2);
  return rest >= '5' ? below + 1 : below;
}
