// Training on batches that the caller gives, noise and timesteps included: nothing is left to
// chance.

import { loadStableDiffusion } from '../../checkpoints/stable-diffusion.ts';
import type { TrainConfigInput } from '../../config/schema.ts';
import { DataError, InternalError, type Problem } from '../../errors.ts';
import type { LoraWeights } from '../../adapter-files/lora.ts';
import { noiseSchedule } from '../../models/noise-schedule.ts';
import { countUnsound } from '../../tensor/finite.ts';
import { sameShape, sizeOf, type Tensor } from '../../tensor/tensor.ts';
import { unknownPlace } from '../../tokenizer/unknown-id.ts';
import { givenSettings, givenSteps, type OpenRuntime } from '../given-settings.ts';
import type { StepResult } from '../loop.ts';
import type { MicroBatch } from '../programs.ts';
import { adaptModel, loraWeights, requireTextLayers } from './adapted-model.ts';
import { shapeKey, shapeOf } from './batches.ts';
import { checkInitial, initialAdapters } from './initial-adapters.ts';
import { noisyInputs, type NoisyInputOptions } from './noisy-batch.ts';

/** One batch; the N of all tensors agree. */
export interface GivenBatch {
  /** Without noise, scaled as the UNet takes them: [N, C, h, w]. */
  readonly latents: Tensor<'float32'>;
  /** Of the latents' shape. */
  readonly noise: Tensor<'float32'>;
  /** N whole numbers from 0 to 999. */
  readonly timesteps: ArrayLike<number>;
  /** Token ids [N, T]. */
  readonly input_ids: Tensor<'int32'>;
}

/**
 * The keys of the YAML file; those that say where pictures and results lie are not needed.
 * `max_train_steps` is the length.
 */
export type GivenBatchSettings = Partial<TrainConfigInput> & {
  readonly base_model: string;
  readonly max_train_steps: number;
};

export interface GivenBatchOptions {
  /**
   * The batch of a step, 0 for the first; several are accumulated, each sample with the same
   * weight.
   */
  readonly batchesAt: (step: number) => GivenBatch | readonly GivenBatch[];
  /**
   * Adapter weights to begin with: a LoRA file with kohya's keys, or tensors by `loraParameter`'s
   * names. Those it lacks are drawn from the seed; those of text layers that clip_skip leaves out
   * are kept as they are.
   */
  readonly initial?: string | ReadonlyMap<string, Tensor>;
  /** Default: `openRuntime`. */
  readonly open?: OpenRuntime;
}

export interface GivenBatchTraining {
  /** Keys that have no effect in this run, and what runs otherwise than it was written. */
  readonly warnings: readonly Problem[];
  /** Trains; yields the loss, the gradient's norm and the learning rates of each step. */
  steps(): AsyncGenerator<StepResult>;
  /** The adapters as they are now, those that are kept last. */
  lora(): LoraWeights[];
}

/**
 * Prepares adapters of `settings.base_model` for training on given batches. Throws ConfigError or
 * CheckpointError.
 */
export function trainWithBatches(
  settings: GivenBatchSettings,
  { batchesAt, initial, open }: GivenBatchOptions,
): GivenBatchTraining {
  const given = givenSettings('image', settings);
  const { config } = given;
  const base = loadStableDiffusion(config.base_model, { useEma: config.use_ema });
  requireTextLayers(base.config, config.clip_skip);
  const first = initialAdapters(initial, base.config, config);
  const adapted = adaptModel(base.config, config, { initial: first.trained, computeStates: true });
  checkInitial(adapted.modules, first);
  const options = {
    schedule: noiseSchedule(base.config.scheduler),
    ids: base.config.textEncoder.vocab_size,
    ...config,
  };
  return {
    warnings: [...base.warnings, ...first.warnings, ...given.warningsFor(adapted.groups)],
    lora: () => [...loraWeights(adapted), ...first.kept],
    async *steps() {
      yield* givenSteps({
        settings: given,
        groups: adapted.groups,
        batchesAt: (step) => toMicroBatches(batchesAt(step), step, options),
        model: {
          weights: base.weights,
          trainable: [...adapted.weights.keys()],
          lossGraph: (key) => adapted.lossGraph(shapeOf(key)),
        },
        open,
      });
    },
  };
}

interface LossOptions extends Pick<NoisyInputOptions, 'schedule' | 'min_snr_gamma'> {
  /** Embeddings of the text encoder. */
  readonly ids: number;
}

function toMicroBatches(
  given: GivenBatch | readonly GivenBatch[],
  step: number,
  options: LossOptions,
): MicroBatch[] {
  const batches = 'latents' in given ? [given] : given;
  requireSoundBatches(batches, step, options);
  const weight = 1 / batches.reduce((sum, { latents }) => sum + latents.shape[0], 0);
  return batches.map((batch) => toMicroBatch(batch, weight, options));
}

/** Throws DataError for numbers that are not finite, ids and timesteps that the model lacks. */
function requireSoundBatches(
  batches: readonly GivenBatch[],
  step: number,
  { ids, schedule }: LossOptions,
): void {
  const steps = schedule.alphasCumprod.length;
  const problems = batches.flatMap((batch, i): Problem[] => [
    ...unknownIds(batch, `batch ${i} of step ${step}`, ids),
    ...unknownTimesteps(batch, `batch ${i} of step ${step}`, steps),
    ...(['latents', 'noise'] as const).flatMap((name) => {
      const count = countUnsound(batch[name]);
      const what = `${count} of its ${batch[name].data.length} numbers are NaN or infinite`;
      const where = `batch ${i} of step ${step}, ${name}`;
      return count === 0 ? [] : [{ where, what, fix: 'Give batches of finite numbers.' }];
    }),
  ]);
  if (problems.length > 0) throw new DataError(problems);
}

function unknownIds({ input_ids }: GivenBatch, batch: string, ids: number): Problem[] {
  const what = unknownPlace(input_ids, ids);
  return what === undefined ? [] : [{ where: `${batch}, input_ids`, what, fix: ownTokenizer }];
}

const ownTokenizer = "Give ids of the model's own tokenizer.";

function unknownTimesteps({ timesteps }: GivenBatch, batch: string, steps: number): Problem[] {
  const one = Array.from(timesteps).find((t) => !(Number.isInteger(t) && t >= 0 && t < steps));
  if (one === undefined) return [];
  const what = `has ${one}, not a whole number from 0 to ${steps - 1}`;
  return [{ where: `${batch}, timesteps`, what, fix: 'Give timesteps of the noise schedule.' }];
}

function toMicroBatch(
  { latents, noise, timesteps, input_ids }: GivenBatch,
  weight: number,
  options: LossOptions,
): MicroBatch {
  const [size, channels, height, width] = latents.shape;
  if (
    !sameShape(latents.shape, noise.shape) ||
    timesteps.length !== size ||
    input_ids.shape[0] !== size
  ) {
    throw new InternalError(
      `a batch of latents [${latents.shape}], noise [${noise.shape}], ${timesteps.length} timesteps and input_ids [${input_ids.shape}]`,
    );
  }
  const length = sizeOf([channels, height, width]);
  const samples = Array.from({ length: size }, (_, i) => ({
    latents: latents.data.subarray(i * length, (i + 1) * length),
    noise: noise.data.subarray(i * length, (i + 1) * length),
    timestep: timesteps[i],
  }));
  const key = shapeKey({ size, height, width, tokens: input_ids.shape[1] });
  return {
    shapeKey: key,
    inputs: {
      ...noisyInputs(samples, [channels, height, width], { ...options, weight }),
      input_ids,
    },
  };
}
