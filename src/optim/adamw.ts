// AdamW: Adam with decay of the weights apart from the gradient (Loshchilov & Hutter, arXiv
// 1711.05101, algorithm 2).

import type { OptimiserRule } from './rule.ts';

/**
 * Bias corrections 1 − βᵗ, by repeated multiplication so that they are the same bits on every
 * machine.
 */
function biasCorrections([beta1, beta2]: readonly [number, number], step: number) {
  let [power1, power2] = [1, 1];
  for (let i = 0; i < step; i++) {
    power1 *= beta1;
    power2 *= beta2;
  }
  return [1 - power1, 1 - power2] as const;
}

/**
 *   w ← w (1 − η λ);  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²
 *   w ← w − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
 */
export const adamw: OptimiserRule = {
  state: ['m', 'v'],
  settings: ['betas', 'eps', 'weight_decay'],
  defaults: { weight_decay: 0.01, momentum: 0 },
  describe: ({ betas, eps, weight_decay }) => ({
    name: 'torch.optim.adamw.AdamW',
    options: { betas, eps, weight_decay },
  }),
  update(step, { betas, eps, weight_decay }) {
    const [beta1, beta2] = betas;
    const corrections = biasCorrections(betas, step);
    // with r = √(1 − β₂ᵗ) taken out of the fraction, a weight costs one division:
    // η r / (1 − β₁ᵗ) · m / (√v + ε r)
    const root = Math.sqrt(corrections[1]);
    const smallest = eps * root;
    return (weight, gradient, { m, v }, { learningRate, scale }) => {
      const keep = 1 - learningRate * weight_decay;
      const [fresh1, fresh2] = [(1 - beta1) * scale, (1 - beta2) * scale * scale];
      const stepSize = (learningRate * root) / corrections[0];
      for (let i = 0; i < weight.length; i++) {
        const g = gradient[i];
        const mi = beta1 * m[i] + fresh1 * g;
        const vi = beta2 * v[i] + fresh2 * g * g;
        m[i] = mi;
        v[i] = vi;
        weight[i] = weight[i] * keep - (stepSize * mi) / (Math.sqrt(vi) + smallest);
      }
    };
  },
};
