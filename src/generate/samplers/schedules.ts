// The noise levels that a sampler stops at: float32, falling, by the rules of WebUI 1.10
// (modules/sd_schedulers.py) and k-diffusion.

import { linspace } from '../../util/linspace.ts';
import type { Levels } from './levels.ts';

/**
 * A way down: at `steps` levels or, where a rule counts in whole strides, a few more, and then
 * where it ends, at 0 for all but one.
 */
export interface Schedule {
  /** WebUI's "Schedule type". */
  readonly label: string;
  readonly sigmas: (levels: Levels, steps: number) => Float32Array;
}

const f32 = Math.fround;
const lowest = ({ sigmas }: Levels): number => sigmas[0];
const highest = ({ sigmas }: Levels): number => sigmas[sigmas.length - 1];
const thenZero = (sigmas: ArrayLike<number>): Float32Array => {
  const out = new Float32Array(sigmas.length + 1);
  out.set(sigmas);
  return out;
};

/** Timesteps at equal distances, both ends among them. */
const uniform = (levels: Levels, steps: number): Float32Array =>
  thenZero(timesteps(levels, steps).map(levels.sigmaAt));

const timesteps = (levels: Levels, count: number): Float32Array =>
  linspace(levels.timestepAt(highest(levels)), levels.timestepAt(lowest(levels)), count);

/** Timesteps at equal distances without the last. */
const sgmUniform = (levels: Levels, steps: number): Float32Array =>
  thenZero(
    timesteps(levels, steps + 1)
      .subarray(0, steps)
      .map(levels.sigmaAt),
  );

const RHO = 7;

/**
 * σᵢ = (σmax^(1/ρ) + i / (n - 1) (σmin^(1/ρ) - σmax^(1/ρ)))^ρ (Karras et al., arXiv 2206.00364, eq.
 * 5)
 */
function karras(levels: Levels, steps: number): Float32Array {
  const first = highest(levels) ** (1 / RHO);
  const way = f32(lowest(levels) ** (1 / RHO) - first);
  return thenZero(linspace(0, 1, steps).map((part) => f32(f32(part * way) + f32(first)) ** RHO));
}

/** ln σ at equal distances. */
const exponential = (levels: Levels, steps: number): Float32Array =>
  thenZero(linspace(Math.log(highest(levels)), Math.log(lowest(levels)), steps).map(Math.exp));

/** The same with ρ = 1, which WebUI takes, but for rounding. */
function polyexponential(levels: Levels, steps: number): Float32Array {
  const last = Math.log(lowest(levels));
  const way = f32(Math.log(highest(levels)) - last);
  return thenZero(linspace(1, 0, steps).map((part) => Math.exp(f32(f32(part * way) + f32(last)))));
}

/** Levels of the model at equal distances from the last down, without the first. */
const simple = ({ sigmas }: Levels, steps: number): Float32Array =>
  thenZero(
    Array.from(
      { length: steps },
      (_, i) => sigmas[sigmas.length - 1 - Math.trunc(i * (sigmas.length / steps))],
    ),
  );

/**
 * Levels of the model in whole strides from the second up: one or more than `steps`, as the strides
 * fit.
 */
function ddim({ sigmas }: Levels, steps: number): Float32Array {
  const stride = Math.max(Math.floor(sigmas.length / steps), 1);
  return thenZero(sigmas.filter((_, t) => t >= 1 && (t - 1) % stride === 0).reverse());
}

/**
 * tan of angles at equal distances (Sabour et al., arXiv 2404.14507, eq. 9): ends at the lowest
 * level, not at 0.
 */
function klOptimal(levels: Levels, steps: number): Float32Array {
  const [first, last] = [f32(Math.atan(highest(levels))), f32(Math.atan(lowest(levels)))];
  return Float32Array.from({ length: steps + 1 }, (_, i) => {
    const part = f32(i / steps);
    return Math.tan(f32(f32(part * last) + f32(f32(1 - part) * first)));
  });
}

/** The published levels of SD 1.5 for ten steps (Sabour et al., arXiv 2404.14507). */
const ALIGNED = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];

/** Between them for other numbers, linear in ln σ. */
function alignYourSteps(_: Levels, steps: number): Float32Array {
  if (steps === ALIGNED.length) return thenZero(ALIGNED);
  const rising = ALIGNED.map(Math.log).reverse();
  const levels = Array.from({ length: steps }, (__, i) => {
    const at = steps === 1 ? 0 : (i / (steps - 1)) * (rising.length - 1);
    const low = Math.min(Math.floor(at), rising.length - 2);
    return Math.exp(rising[low] + (at - low) * (rising[low + 1] - rising[low]));
  });
  return thenZero(levels.reverse());
}

export const schedules = {
  uniform: { label: 'Uniform', sigmas: uniform },
  karras: { label: 'Karras', sigmas: karras },
  exponential: { label: 'Exponential', sigmas: exponential },
  polyexponential: { label: 'Polyexponential', sigmas: polyexponential },
  sgm_uniform: { label: 'SGM Uniform', sigmas: sgmUniform },
  kl_optimal: { label: 'KL Optimal', sigmas: klOptimal },
  align_your_steps: { label: 'Align Your Steps', sigmas: alignYourSteps },
  simple: { label: 'Simple', sigmas: simple },
  normal: { label: 'Normal', sigmas: uniform },
  ddim: { label: 'DDIM', sigmas: ddim },
} as const satisfies Readonly<Record<string, Schedule>>;

export type ScheduleName = keyof typeof schedules;

/** `automatic`: the one that the sampler is usually taken with. */
export type ScheduleChoice = 'automatic' | ScheduleName;
