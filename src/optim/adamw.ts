// AdamW: Adam with decay of the weights apart from the gradient (Loshchilov & Hutter, arXiv
// 1711.05101, algorithm 2).

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
}

/** The moments of one parameter; step counts from 0. */
export interface AdamWState {
  readonly m: Float32Array;
  readonly v: Float32Array;
}

export function adamWState(size: number): AdamWState {
  return { m: new Float32Array(size), v: new Float32Array(size) };
}

/**
 * Bias corrections 1 − βᵗ, by repeated multiplication so that they are the same bits on every
 * machine.
 */
export function biasCorrections(
  [beta1, beta2]: readonly [number, number],
  step: number,
): [number, number] {
  let [power1, power2] = [1, 1];
  for (let i = 0; i < step; i++) {
    power1 *= beta1;
    power2 *= beta2;
  }
  return [1 - power1, 1 - power2];
}

/**
 * One update in place, with moments kept in float32 and the arithmetic in float64.
 * `step` is 1 for the first update; `scale` multiplies the gradient (clipping, accumulation).
 *
 *   w ← w (1 − η λ);  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²
 *   w ← w − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
 */
export function adamWUpdate(
  weight: Float32Array,
  gradient: Float32Array,
  { m, v }: AdamWState,
  { betas, eps, weight_decay }: AdamWOptions,
  {
    learningRate,
    corrections,
    scale,
  }: { learningRate: number; corrections: readonly [number, number]; scale: number },
): void {
  const [beta1, beta2] = betas;
  const keep = 1 - learningRate * weight_decay;
  const [fresh1, fresh2] = [(1 - beta1) * scale, (1 - beta2) * scale * scale];
  // with r = √(1 − β₂ᵗ) taken out of the fraction, a weight costs one division: η r / (1 − β₁ᵗ) · m
  // / (√v + ε r)
  const root = Math.sqrt(corrections[1]);
  const [stepSize, smallest] = [(learningRate * root) / corrections[0], eps * root];
  for (let i = 0; i < weight.length; i++) {
    const g = gradient[i];
    const mi = beta1 * m[i] + fresh1 * g;
    const vi = beta2 * v[i] + fresh2 * g * g;
    m[i] = mi;
    v[i] = vi;
    weight[i] = weight[i] * keep - (stepSize * mi) / (Math.sqrt(vi) + smallest);
  }
}
