// What every loader of Stable Diffusion 1.x returns.

import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';

export interface StableDiffusionWeights {
  readonly layout: 'single-file' | 'diffusers';
  /** The file or the folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: StableDiffusionConfig;
  /**
   * `unet.`, `vae.` or `text_encoder.`, then the tensor's name in a diffusers folder: exactly the
   * model's parameters.
   */
  readonly weights: ReadonlyMap<string, ExternalTensor>;
}

/** A 1×1 convolution's weight [out, in, 1, 1] as the matrix [out, in]: the same bytes. */
export function asMatrix(tensor: ExternalTensor): ExternalTensor {
  const [out, input, ...kernel] = tensor.shape;
  return kernel.length === 2 && kernel.every((side) => side === 1)
    ? { ...tensor, shape: [out, input] }
    : tensor;
}
