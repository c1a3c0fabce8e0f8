// What drawing pictures takes where it is computed, and how much of it is done at once.

import {
  latentFactor,
  nativeSide,
  type StableDiffusionConfig,
} from '../models/stable-diffusion-config.ts';
import { largestOf, type WorkNeed } from '../runtime/room.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sizeInBytes, type Weights } from '../tensor/weights.ts';
import { batchSize } from './picture-batches.ts';
import { stageGraphs } from './stages.ts';

/** Bytes of weights from which on one model is in memory at a time. */
const MUCH = 2 ** 30;

/** Whether a generator spares memory where nobody says so. */
export const sparesMemory = (weights: Weights): boolean => sizeInBytes(weights) > MUCH;

/** Pictures that go through the models together where nobody says so. */
export const mostAtOnce = (savesMemory: boolean): number => (savesMemory ? 1 : 8);

export interface Drawing {
  readonly checkpoint: { readonly config: StableDiffusionConfig; readonly weights: Weights };
  readonly clipSkip: number;
  /** Pictures that are alike but for prompt and seed, of the size the model was trained at. */
  readonly pictures: number;
  readonly guidance: number;
}

/** Of a generator that is left to itself; adapters are small beside the models. */
export function drawingNeed(
  runtime: Runtime,
  { checkpoint: { config, weights }, clipSkip, pictures, guidance }: Drawing,
): WorkNeed {
  const savesMemory = sparesMemory(weights);
  const side = nativeSide(config) / latentFactor(config.vae);
  const rows = batchSize(pictures, mostAtOnce(savesMemory)) * (guidance === 1 ? 1 : 2);
  const graphs = stageGraphs(config, clipSkip);
  const models = [graphs.text(), graphs.noise(rows, side, side), graphs.pixels(side, side)].map(
    (graph) => ({
      activations: runtime.activations(graph, weights),
      held: runtime.weightBytes(graph, weights),
    }),
  );
  const together = models.reduce((sum, { held }) => sum + held, 0);
  return {
    activations: largestOf(models.map(({ activations }) => activations)),
    working: Math.max(
      ...models.map(({ activations, held }) => activations.taken + (savesMemory ? held : together)),
    ),
  };
}
