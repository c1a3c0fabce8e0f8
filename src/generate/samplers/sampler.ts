// What samplers take and yield. There are two families: those of k-diffusion walk along noise
// levels (x = x₀ + σ noise), the others along timesteps (x = √ᾱ x₀ + √(1 - ᾱ) noise).

/**
 * The model: xₜ = √ᾱ x₀ + √(1 - ᾱ) noise, scaled as in training, and t, which may lie between two
 * timesteps
 * -> its prediction, noise or v as the schedule says. Several pictures may lie behind one another
 * in x. `call` counts the calls of one way from 0, as WebUI counts for prompts that change.
 */
export type Predict = (x: Float32Array, t: number, call: number) => Promise<Float32Array>;

/** The random numbers of all pictures that go together, behind one another. */
export interface NoiseStream {
  /** Standard normal numbers to begin with. */
  readonly first: () => Float32Array;
  /** Fresh ones on the way, with every call the next. */
  readonly fresh: () => Float32Array;
  /** Brownian motion between the lowest and the highest σ of a way: see `brownian-motion.ts`. */
  readonly brownian: (lowest: number, highest: number) => Brownian;
}

/** Standard normal numbers: how far the motion goes between two σ, over √(σ - σ′). */
export type Brownian = (sigma: number, next: number) => Float32Array;

export interface SamplerStep {
  /** 1 … the number of steps. */
  readonly step: number;
  /** Where the sampler stands; after the last step the finished latents. A new array each time. */
  readonly x: Float32Array;
  /** The picture that the model makes out at this step: a preview. */
  readonly denoised: Float32Array;
}

interface Run {
  /** Where it starts; left as it is. */
  readonly x: Float32Array;
  readonly noise: NoiseStream;
  /** How much of the noise is fresh at each step: 0 none, 1 all. */
  readonly eta: number;
}

export interface SigmaRun extends Run {
  /** The levels to go through, falling; x is at the first. */
  readonly sigmas: Float32Array;
  /** The lowest above 0 and the highest of the whole way, of which `sigmas` may be the end. */
  readonly range: readonly [lowest: number, highest: number];
  /** The picture that the model makes out in x at noise level σ. */
  readonly denoise: (x: Float32Array, sigma: number) => Promise<Float32Array>;
}

export interface TimestepRun extends Run {
  /** Rising; the way goes backwards. */
  readonly timesteps: readonly number[];
  readonly alphasCumprod: Float32Array;
  /** Whether x is a picture with noise, and not noise alone. */
  readonly fromPicture: boolean;
  /** The noise that the model sees in x; t may lie between two timesteps. */
  readonly predictNoise: (x: Float32Array, t: number) => Promise<Float32Array>;
}

export type SigmaSampler = (run: SigmaRun) => AsyncGenerator<SamplerStep>;
export type TimestepSampler = (run: TimestepRun) => AsyncGenerator<SamplerStep>;

/** a x + b y */
export function combine(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = a * x[i] + b * y[i];
  return out;
}

/** From noise level σ to σ′, straight: x + (x - D) / σ · (σ′ - σ) = (σ′ / σ) x + (1 - σ′ / σ) D */
export function towards(
  x: Float32Array,
  denoised: Float32Array,
  from: number,
  to: number,
): Float32Array {
  return combine(to / from, x, 1 - to / from, denoised);
}
