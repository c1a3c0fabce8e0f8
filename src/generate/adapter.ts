// A LoRA as the generator takes it: its sizes when the graphs are built, its weights with every picture.

import { toFloat32 } from '../tensor/half.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The adapter of one layer, named by the layer's path; a LoraModule of a training graph is one. */
export interface AdapterSize {
  /** `unet.…` or `text_encoder.…` */
  readonly path: string;
  readonly rank: number;
  readonly alpha: number;
}

/** float32 weights by parameter name, `<path>.lora_down.weight` and `<path>.lora_up.weight`. */
export type AdapterWeights = ReadonlyMap<string, Tensor>;

/** One layer's adapter as the readers of LoRA files give it. */
export interface AdapterLayer {
  readonly path: string;
  readonly down: Tensor;
  readonly up: Tensor;
  readonly alpha: number;
}

/** Sizes and weights of a LoRA that was read from a file. */
export function adapterOf(layers: readonly AdapterLayer[]): { sizes: AdapterSize[]; weights: AdapterWeights } {
  const weights = layers.flatMap(({ path, down, up }): [string, Tensor][] => [
    [`${path}.lora_down.weight`, toFloat32(down)],
    [`${path}.lora_up.weight`, toFloat32(up)],
  ]);
  return { sizes: layers.map(({ path, down, alpha }) => ({ path, rank: down.shape[0], alpha })), weights: new Map(weights) };
}
