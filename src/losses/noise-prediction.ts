// The loss of a diffusion model (Ho et al., arXiv 2006.11239, eq. 14): the squared error of the
// predicted noise.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

/**
 * Σᵢ weightᵢ · mean((predictionᵢ − targetᵢ)²) over the samples i of a batch; shape []. prediction
 * and target [N, ...]; weights [N], normally 1 / (samples of the whole accumulated batch).
 */
export function noisePredictionLoss(
  g: Builder,
  prediction: Value,
  target: Value,
  weights: Value,
): Value {
  return g.scoped('loss', () => {
    const difference = g.sub(prediction, target);
    const axes = prediction.shape.map((_, axis) => axis).slice(1);
    return g.reduceSum(g.mul(g.reduceMean(g.mul(difference, difference), axes), weights), [0]);
  });
}
