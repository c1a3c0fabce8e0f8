// Stochastic gradient descent with momentum (Sutskever, Martens, Dahl & Hinton, ICML 2013), decay
// added to the gradient, as PyTorch's SGD.

import type { OptimiserRule } from './rule.ts';

/**
 *   g ← g + λ w;  b ← μ b + g;  w ← w − η b, with Nesterov w ← w − η (g + μ b)
 */
function descent(nesterov: boolean, momentum: number): OptimiserRule {
  return {
    state: ['momentum'],
    settings: ['momentum', 'weight_decay'],
    defaults: { weight_decay: 0, momentum },
    describe: ({ momentum: mu, weight_decay }) => ({
      name: 'torch.optim.sgd.SGD',
      options: { momentum: mu, weight_decay, nesterov },
    }),
    update: (_step, { momentum: mu, weight_decay }) =>
      function update(weight, gradient, { momentum: b }, { learningRate, scale }) {
        const [ofGradient, ofMomentum] = nesterov ? [1, mu] : [0, 1];
        for (let i = 0; i < weight.length; i++) {
          const g = gradient[i] * scale + weight_decay * weight[i];
          const bi = mu * b[i] + g;
          b[i] = bi;
          weight[i] -= learningRate * (ofGradient * g + ofMomentum * bi);
        }
      },
  };
}

export const sgd = descent(false, 0);
/** PyTorch has no default for its momentum; kohya's scripts take 0.9. */
export const sgdNesterov = descent(true, 0.9);
