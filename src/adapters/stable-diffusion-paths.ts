// Where a Stable Diffusion model can carry adapters, whatever a training chooses.

import { textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { adaptableLayers } from './layers.ts';

/** Every layer of the text encoder and the UNet. */
export const stableDiffusionPaths = ({ textEncoder, unet }: StableDiffusionConfig): string[] =>
  [
    textEncoderGraph(textEncoder, [1, 1]),
    unetGraph(unet, [1, unet.in_channels, 1, 1], [1, 1, unet.cross_attention_dim]),
  ].flatMap((graph) => adaptableLayers(graph).map(({ path }) => path));
