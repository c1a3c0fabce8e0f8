// UniPC: a predictor and a corrector of third order that share their calls of the model (Zhao et
// al., arXiv 2302.04867, with B(h) = h, predicting the picture), over times at equal distances and
// with lower orders at both ends, as in WebUI.

import { linspace } from '../../util/linspace.ts';
import { combine, type SamplerStep, type TimestepRun } from './sampler.ts';

const ORDER = 3;
/** Fewer steps than orders are not possible. */
export const LEAST_UNIPC_STEPS = ORDER;

/** A time in (0, 1] with its √ᾱ, √(1 - ᾱ) and λ = ln √ᾱ - ln √(1 - ᾱ). */
interface Moment {
  readonly time: number;
  readonly picture: number;
  readonly grain: number;
  readonly lambda: number;
}

/** Where the model was asked, and the picture that it made out there. */
interface Known {
  readonly at: Moment;
  readonly denoised: Float32Array;
}

export async function* unipc(run: TimestepRun): AsyncGenerator<SamplerStep> {
  const { timesteps, alphasCumprod, fromPicture } = run;
  const count = alphasCumprod.length;
  const steps = timesteps.length;
  const start = fromPicture ? (timesteps[steps - 1] + 1) / count : 1;
  const moments = Array.from(linspace(start, 1 / count, steps + 1), momentOf(alphasCumprod));
  let { x } = run;
  const known: Known[] = [{ at: moments[0], denoised: await makeOut(run, x, moments[0]) }];
  for (let step = 1; step <= steps; step++) {
    const to = moments[step];
    const order = Math.min(ORDER, step, steps + 1 - step);
    const bend = bendOf(known.slice(-order), to);
    const guess = bend(x);
    if (step === steps) {
      yield { step, x: guess, denoised: known[known.length - 1].denoised };
      return;
    }
    const denoised = await makeOut(run, guess, to);
    x = bend(x, denoised);
    known.push({ at: to, denoised });
    if (known.length > ORDER) known.shift();
    yield { step, x, denoised };
  }
}

/** x₀ = (x - √(1 - ᾱ) ε) / √ᾱ */
async function makeOut(
  { predictNoise, alphasCumprod: { length } }: TimestepRun,
  x: Float32Array,
  { time, picture, grain }: Moment,
): Promise<Float32Array> {
  const predicted = await predictNoise(x, (time - 1 / length) * length);
  return combine(1 / picture, x, -grain / picture, predicted);
}

/** ln √ᾱ is linear between times (t + 1) / N. */
function momentOf(alphas: Float32Array): (time: number) => Moment {
  const logs = Float64Array.from(alphas, (alpha) => 0.5 * Math.log(alpha));
  return (time) => {
    const at = time * logs.length - 1;
    const low = Math.min(Math.max(Math.floor(at), 0), logs.length - 2);
    const log = logs[low] + (at - low) * (logs[low + 1] - logs[low]);
    const lambda = log - 0.5 * Math.log(-Math.expm1(2 * log));
    return { time, picture: Math.exp(log), grain: Math.sqrt(-Math.expm1(2 * log)), lambda };
  };
}

/**
 * The step from the last known place: without the picture at its end the predictor, with it the
 * corrector.
 *   x′ = (σ′ / σ) x - α′ (e^(-h) - 1) D - α′ B Σ ρₖ Dₖ,  B = -h,  Dₖ = (D_k - D) / rₖ
 */
function bendOf(known: readonly Known[], to: Moment) {
  const last = known[known.length - 1];
  const h = to.lambda - last.at.lambda;
  const earlier = known.slice(0, -1).reverse();
  const r = earlier.map(({ at }) => (at.lambda - last.at.lambda) / h);
  const slopes = earlier.map(({ denoised }, k) =>
    combine(1 / r[k], denoised, -1 / r[k], last.denoised),
  );
  return (x: Float32Array, denoised?: Float32Array): Float32Array => {
    const straight = combine(
      to.grain / last.at.grain,
      x,
      -to.picture * Math.expm1(-h),
      last.denoised,
    );
    const ends = denoised === undefined ? [] : [combine(1, denoised, -1, last.denoised)];
    const all = [...slopes, ...ends];
    const weights = weightsOf([...r, ...ends.map(() => 1)], -h);
    return all.reduce(
      (sum, slope, k) => combine(1, sum, to.picture * h * weights[k], slope),
      straight,
    );
  };
}

/**
 * ρ with Σ ρₖ rₖ^(i-1) = bᵢ, bᵢ = i! φ_(i+1)(hh) hh^i / (hh^(i-1) B) for B = hh; a single unknown
 * is taken as ½.
 */
function weightsOf(r: readonly number[], hh: number): number[] {
  if (r.length === 0) return [];
  if (r.length === 1) return [0.5];
  let factorial = 1;
  let phi = Math.expm1(hh) / hh - 1;
  const rows = r.map((_, i) => {
    const value = (phi * factorial) / hh;
    factorial *= i + 2;
    phi = phi / hh - 1 / factorial;
    return [...r.map((each) => each ** i), value];
  });
  return solved(rows);
}

/** Gauss-Jordan on rows [A | b] of a few unknowns; the r differ, so no pivot is 0. */
function solved(rows: readonly (readonly number[])[]): number[] {
  const work = rows.map((row) => [...row]);
  work.forEach((pivotRow, i) => {
    const pivot = pivotRow[i];
    for (let j = 0; j < pivotRow.length; j++) pivotRow[j] /= pivot;
    for (const row of work) {
      if (row === pivotRow) continue;
      const factor = row[i];
      for (let j = 0; j < row.length; j++) row[j] -= factor * pivotRow[j];
    }
  });
  return work.map((row) => row[row.length - 1]);
}
