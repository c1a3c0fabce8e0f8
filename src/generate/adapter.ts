// A LoRA as the generator takes it: its sizes when the graphs are built, its weights with every
// picture.

import type { Tensor } from '../tensor/tensor.ts';

/** The adapter of one layer, named by the layer's path; a LoraModule of a training graph is one. */
export interface AdapterSize {
  /** `unet.…` or `text_encoder.…` */
  readonly path: string;
  readonly rank: number;
  readonly alpha: number;
}

/** float32 weights by parameter name, as `loraParameters` names them. */
export type AdapterWeights = ReadonlyMap<string, Tensor>;
