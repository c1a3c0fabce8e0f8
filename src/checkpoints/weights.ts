// What every loader of Stable Diffusion 1.x returns.

import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import type { Problem } from '../errors.ts';
import type { Described } from './contents.ts';
import type { ExternalTensor, Shape } from '../tensor/tensor.ts';

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
  /** What lies in the files and is ignored, and what they say of the model's training. */
  readonly warnings: readonly Problem[];
}

/** Exactly the model's parameters, without what else its files hold. */
export function parametersOf(
  expected: ReadonlyMap<string, Shape>,
  weights: ReadonlyMap<string, Described>,
): Map<string, ExternalTensor> {
  return new Map(
    [...weights].filter(
      (entry): entry is [string, ExternalTensor] => expected.has(entry[0]) && 'path' in entry[1],
    ),
  );
}

/** A 1×1 convolution's weight [out, in, 1, 1] as the matrix [out, in]: the same bytes. */
export function asMatrix<T extends { readonly shape: Shape }>(tensor: T): T {
  const [out, input, ...kernel] = tensor.shape;
  return kernel.length === 2 && kernel.every((side) => side === 1)
    ? { ...tensor, shape: [out, input] }
    : tensor;
}
