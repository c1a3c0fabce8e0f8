// Whether a language model has room for its answers where they are computed.

import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { Room } from '../../runtime/room.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { answering } from './cached-model.ts';
import { stepGraph } from './step-graph.ts';

/** Of a text whose prompt is read in parts; longer ones take little more beside the weights. */
const [TOKENS, CAPACITY] = [64, 512];

/** For texts of usual length, one at a time. */
export function answeringRoom(
  runtime: Runtime,
  { config, weights }: Pick<LanguageModelWeights, 'config' | 'weights'>,
): Room {
  const graph = stepGraph(config, { tokens: TOKENS, capacity: CAPACITY });
  const activations = runtime.activations(graph, weights);
  return runtime.room({
    activations,
    working: activations.taken + runtime.weightBytes(graph, weights, answering),
    frozen: [...weights.values()].reduce((sum, { length }) => sum + length, 0),
    own: 0,
  });
}
