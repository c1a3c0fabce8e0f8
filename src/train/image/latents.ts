// Each picture as the Gaussian that the autoencoder makes of it: computed once, kept on disk.

import {
  pictureStages,
  requireSoundOutput,
  requireSoundWeights,
} from '../../checkpoints/unsound.ts';
import { cacheKey, type TensorCache, type Tensors } from '../../storage/tensor-cache.ts';
import { loadPixels } from '../../dataset/image.ts';
import { encoderGraph } from '../../models/graphs.ts';
import type { VaeConfig } from '../../models/stable-diffusion-config.ts';
import type { Weights } from '../../tensor/weights.ts';
import type { Program } from '../../runtime/program.ts';
import type { Programs } from '../../runtime/program-cache.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { countUnsound } from '../../tensor/finite.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { type PhaseEvent, phase } from '../../events.ts';
import { needed } from '../../util/needed.ts';
import { CACHE_VERSION } from './cache-entries.ts';
import type { LatentMoments } from './noisy-batch.ts';
import { bucketName } from './samples.ts';
import type { TrainingPicture } from './training-picture.ts';

export interface EncodeOptions {
  readonly vae: VaeConfig;
  readonly weights: Weights;
  /** Hash of the autoencoder's weights. */
  readonly identity: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Absent: nothing is kept. */
  readonly cache?: TensorCache;
}

const NAME = 'caching latents';

/**
 * The moments of every picture, in order; fewer when the signal is aborted. Throws CheckpointError
 * for numbers that are not finite.
 */
export async function* encodePictures(
  pictures: readonly TrainingPicture[],
  options: EncodeOptions,
): AsyncGenerator<PhaseEvent, readonly LatentMoments[]> {
  const results: LatentMoments[] = [];
  const encoder = new BucketEncoder(options);
  const order = pictures
    .map((_, i) => i)
    .sort((a, b) => compareText(bucketName(pictures[a].bucket), bucketName(pictures[b].bucket)));
  try {
    yield phase(NAME, 0, pictures.length);
    for (const [done, index] of order.entries()) {
      if (options.signal.aborted) break;
      results[index] = await momentsOf(pictures[index], encoder, options);
      yield phase(NAME, done + 1, pictures.length);
    }
  } finally {
    await encoder.release();
  }
  return results;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Of a picture in the cache. */
export const latentsKey = (
  { hash, resized, crop }: TrainingPicture,
  { identity, vae }: Pick<EncodeOptions, 'identity' | 'vae'>,
): string =>
  cacheKey('latents', CACHE_VERSION, identity, JSON.stringify(vae), hash, ...resized, ...crop);

async function momentsOf(
  picture: TrainingPicture,
  encoder: BucketEncoder,
  { cache, identity, vae, weights }: EncodeOptions,
): Promise<LatentMoments> {
  const compute = () => encoder.encode(picture);
  const key = latentsKey(picture, { identity, vae });
  const moments = await (cache === undefined ? compute() : cache.getOrCompute(key, compute));
  for (const [name, tensor] of moments)
    requireSoundOutput(
      { name, tensor, sample: picture.path },
      { ...pictureStages.encoder, weights },
    );
  return toMoments(moments);
}

function toMoments(tensors: Tensors): LatentMoments {
  const [mean, logvar] = ['mean', 'logvar'].map((name) =>
    toFloat32(needed(tensors, name, 'tensor of the latents')),
  );
  const [channels, height, width] = mean.shape;
  return {
    mean: mean.data,
    deviation: logvar.data.map((value) => Math.exp(value / 2)),
    shape: [channels, height, width],
  };
}

/** The encoder for one bucket at a time, opened when a picture needs it. */
class BucketEncoder {
  readonly #programs: Programs<Program>;
  #hasSoundWeights = false;

  constructor(readonly options: EncodeOptions) {
    this.#programs = options.runtime.programs(1);
  }

  async encode(picture: TrainingPicture): Promise<Tensors> {
    const [width, height] = picture.bucket;
    const program = await this.#open(picture);
    const pixels = await loadPixels(picture.path, picture);
    const moments = await program.run({
      pixels: { dtype: 'float32', shape: [1, 3, height, width], data: pixels },
    });
    const isSound = Object.values(moments).every((tensor) => countUnsound(tensor) === 0);
    if (isSound) this.#requireSoundWeights(picture);
    return new Map(
      Object.entries(moments).map(
        ([name, tensor]) => [name, { ...tensor, shape: tensor.shape.slice(1) }] as const,
      ),
    );
  }

  /** Once: the limits of logvar (-30 and 20) would hide an infinity. */
  #requireSoundWeights({ path }: TrainingPicture): void {
    if (this.#hasSoundWeights) return;
    const { weights } = this.options;
    requireSoundWeights({ ...pictureStages.encoder, weights }, path);
    this.#hasSoundWeights = true;
  }

  release(): Promise<void> {
    return this.#programs.release();
  }

  #open({ bucket }: TrainingPicture): Promise<Program> {
    const { vae, weights, runtime } = this.options;
    const graph = () => encoderGraph(vae, [1, 3, bucket[1], bucket[0]]);
    return this.#programs.get(bucketName(bucket), () => runtime.compile(graph(), { weights }));
  }
}
