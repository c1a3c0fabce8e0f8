// The loss of a diffusion model (Ho et al., arXiv 2006.11239, eq. 14): the squared error of the
// predicted noise.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

/**
 * Σᵢ weightᵢ · mean((predictionᵢ − targetᵢ)²) over the samples i of a batch; shape []. prediction
 * and target [N, ...]; weights [N], normally 1 / (samples of the whole accumulated batch).
 */
export const noisePredictionLoss = (
  g: Builder,
  prediction: Value,
  target: Value,
  weights: Value,
): Value =>
  g.scoped('loss', () => g.reduceSum(g.mul(squaredErrors(g, prediction, target), weights), [0]));

/** mean((predictionᵢ − targetᵢ)²) of each sample i [N]. */
export const noisePredictionErrors = (g: Builder, prediction: Value, target: Value): Value =>
  g.scoped('loss', () => squaredErrors(g, prediction, target));

function squaredErrors(g: Builder, prediction: Value, target: Value): Value {
  const difference = g.sub(prediction, target);
  const axes = prediction.shape.map((_, axis) => axis).slice(1);
  return g.reduceMean(g.mul(difference, difference), axes);
}
