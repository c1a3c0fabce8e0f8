// Training on batches that the caller gives, noise and timesteps included: nothing is left to
// chance.

import { adaptableLayers, type LoraModule } from '../../adapters/lora.ts';
import { loadStableDiffusion } from '../../checkpoints/stable-diffusion.ts';
import { parseConfig } from '../../config/load.ts';
import type { TrainConfig, TrainConfigInput } from '../../config/schema.ts';
import { CheckpointError, InternalError, type Problem } from '../../errors.ts';
import { readKohyaLora } from '../../export/kohya.ts';
import type { LoraWeights } from '../../export/lora.ts';
import { unetGraph, textEncoderGraph } from '../../models/graphs.ts';
import { noiseSchedule, type NoiseSchedule } from '../../models/noise-schedule.ts';
import type { StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { sameShape, sizeOf, type Tensor } from '../../tensor/tensor.ts';
import { trainingSteps, type StepResult } from '../loop.ts';
import { Optimiser } from '../optimiser.ts';
import { LossPrograms } from '../programs.ts';
import type { MicroBatch } from '../programs.ts';
import { adaptModel, loraWeights } from './adapted-model.ts';
import { shapeKey, shapeOf } from './batches.ts';
import { noisyInputs } from './noisy-batch.ts';

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
   * Adapter weights to begin with: a LoRA file with kohya's keys, or tensors named `<module
   * path>.lora_down.weight` and `<module path>.lora_up.weight`. Those it lacks are drawn from the
   * seed.
   */
  readonly initial?: string | ReadonlyMap<string, Tensor>;
}

export interface GivenBatchTraining {
  /** Trains; yields the loss, the gradient's norm and the learning rates of each step. */
  steps(): AsyncGenerator<StepResult>;
  /** The adapters as they are now. */
  lora(): LoraWeights[];
}

/**
 * Prepares adapters of `settings.base_model` for training on given batches. Throws ConfigError or
 * CheckpointError.
 */
export function trainWithBatches(
  settings: GivenBatchSettings,
  { batchesAt, initial }: GivenBatchOptions,
): GivenBatchTraining {
  // No picture is read and no file written; the two keys only have to be there.
  const { config } = parseConfig({ train_data_dir: '.', output_dir: 'output', ...settings });
  const base = loadStableDiffusion(config.base_model, { useEma: config.use_ema });
  const given = typeof initial === 'string' ? readInitial(initial, base.config, config) : initial;
  const adapted = adaptModel(base.config, config, {
    initial: given && asFloat32(given),
    computeStates: true,
  });
  if (given !== undefined)
    checkInitial(adapted.modules, given, typeof initial === 'string' ? initial : 'initial');
  const schedule = noiseSchedule(base.config.scheduler);
  const programOptions = {
    weights: base.weights,
    threads: config.num_threads,
    trainable: [...adapted.weights.keys()],
    lossGraph: (key: string) => adapted.lossGraph(shapeOf(key)),
  };
  return {
    lora: () => loraWeights(adapted),
    async *steps() {
      const optimiser = new Optimiser(adapted.groups, {
        ...config,
        totalSteps: settings.max_train_steps,
      });
      const programs = new LossPrograms(programOptions);
      try {
        yield* trainingSteps({
          optimiser,
          batchesAt: (step) => toMicroBatches(batchesAt(step), schedule),
          lossOf: (batch, parameters) => programs.run(batch, parameters),
        });
      } finally {
        await programs.release();
      }
    },
  };
}

function toMicroBatches(
  given: GivenBatch | readonly GivenBatch[],
  schedule: NoiseSchedule,
): MicroBatch[] {
  const batches = 'latents' in given ? [given] : given;
  const weight = 1 / batches.reduce((sum, { latents }) => sum + latents.shape[0], 0);
  return batches.map((batch) => toMicroBatch(batch, weight, schedule));
}

function toMicroBatch(
  { latents, noise, timesteps, input_ids }: GivenBatch,
  weight: number,
  schedule: NoiseSchedule,
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
      ...noisyInputs(samples, [channels, height, width], { schedule, weight }),
      input_ids,
    },
  };
}

/**
 * The file's adapters with the effect they had: where its alpha is not this run's, up is scaled.
 */
function readInitial(
  path: string,
  model: StableDiffusionConfig,
  { lora_alpha, conv_alpha }: TrainConfig,
): ReadonlyMap<string, Tensor> {
  const { modules } = readKohyaLora(path, modulePathsOf(model));
  return new Map(
    modules.flatMap(({ path: layer, down, up, alpha }) => {
      const isWide = down.shape.length === 4 && down.shape[2] * down.shape[3] > 1;
      return [
        [`${layer}.lora_down.weight`, down],
        [`${layer}.lora_up.weight`, scaled(up, alpha / (isWide ? conv_alpha : lora_alpha))],
      ] as const;
    }),
  );
}

function scaled(tensor: Tensor, factor: number): Tensor {
  if (factor === 1) return tensor;
  const { shape, data } = toFloat32(tensor);
  return { dtype: 'float32', shape, data: data.map((value) => value * factor) };
}

/** Every layer of the text encoder and the UNet that can carry an adapter. */
export function modulePathsOf({ textEncoder, unet }: StableDiffusionConfig): string[] {
  const graphs = [
    textEncoderGraph(textEncoder, [1, 1]),
    unetGraph(unet, [1, unet.in_channels, 1, 1], [1, 1, unet.cross_attention_dim]),
  ];
  return graphs.flatMap((graph) => adaptableLayers(graph).map(({ path }) => path));
}

const asFloat32 = (tensors: ReadonlyMap<string, Tensor>) =>
  new Map([...tensors].map(([name, tensor]) => [name, toFloat32(tensor)] as const));

/** Throws CheckpointError for weights that no adapter of this run has, or of another shape. */
function checkInitial(
  modules: readonly LoraModule[],
  given: ReadonlyMap<string, Tensor>,
  where: string,
): void {
  const shapes = new Map(
    modules.flatMap(({ down, up }) => [down, up]).map(({ name, shape }) => [name, shape] as const),
  );
  const problems = [...given].flatMap(([name, { shape }]): Problem[] => {
    const wanted = shapes.get(name);
    if (wanted === undefined)
      return [
        {
          where: `${where} ${name}`,
          what: 'this run has no such adapter',
          fix: 'Check train_unet, train_text_encoder and conv_rank.',
        },
      ];
    return sameShape(shape, wanted)
      ? []
      : [
          {
            where: `${where} ${name}`,
            what: `is [${shape}], should be [${wanted}]`,
            fix: 'Check lora_rank and conv_rank.',
          },
        ];
  });
  if (problems.length > 0) throw new CheckpointError(problems.slice(0, 12));
}
