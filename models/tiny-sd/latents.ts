// The training pictures as latents of the trained autoencoder.

import { encoderGraph } from '../../src/models/graphs.ts';
import { latentFactor } from '../../src/models/stable-diffusion-config.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { PICTURE_SIDE, tinyStableDiffusion as config } from './config.ts';
import { cpuRuntime } from '../../src/runtime/runtime.ts';

export const latentSide = PICTURE_SIDE / latentFactor(config.vae);
export const latentSize = config.vae.latent_channels * latentSide * latentSide;

/**
 * Means of the moments [count, channels, side, side] of pictures given as bytes [count, 3, S, S].
 */
export async function encodePictures(
  pixels: Uint8Array,
  count: number,
  weights: ReadonlyMap<string, Tensor>,
  batch = 16,
): Promise<Float32Array> {
  const graph = encoderGraph(config.vae, [batch, 3, PICTURE_SIDE, PICTURE_SIDE]);
  const own = new Map(
    graph.parameters.flatMap(({ name }) => [[name, weights.get(name) as Tensor] as const]),
  ); // the autoencoder has them all
  const program = await cpuRuntime().compile(graph, { weights: own });
  const size = 3 * PICTURE_SIDE * PICTURE_SIDE;
  const latents = new Float32Array(count * latentSize);
  for (let start = 0; start < count; start += batch) {
    const data = new Float32Array(batch * size);
    const bytes = pixels.subarray(start * size, Math.min(count, start + batch) * size);
    bytes.forEach((byte, i) => (data[i] = byte / 127.5 - 1));
    const { mean: means } = await program.run({
      pixels: { dtype: 'float32', shape: [batch, 3, PICTURE_SIDE, PICTURE_SIDE], data },
    });
    latents.set(
      (means.data as Float32Array).subarray(0, (bytes.length / size) * latentSize),
      start * latentSize,
    );
  }
  await program.release();
  return latents;
}

/** Root mean square distance from the mean, over all elements. */
export function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
