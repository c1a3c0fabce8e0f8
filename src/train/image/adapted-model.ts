// The text encoder and the UNet with their adapters and the noise-prediction loss, in one graph.

import { applyAdapter } from '../../adapters/apply.ts';
import { adaptableLayers, type Layer } from '../../adapters/layers.ts';
import { lora } from '../../adapters/lora.ts';
import type { LoraModule, LoraSize } from '../../adapters/lora-module.ts';
import {
  stableDiffusionTargets,
  type TargetOptions,
} from '../../adapters/stable-diffusion-targets.ts';
import type { TrainConfig } from '../../config/schema.ts';
import type { LoraWeights } from '../../adapter-files/lora.ts';
import { Builder } from '../../graph/builder.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { noisePredictionErrors, noisePredictionLoss } from '../../losses/noise-prediction.ts';
import { ConfigError } from '../../errors.ts';
import { clipSkipProblems, clipTextEncoder } from '../../models/clip-text.ts';
import type { StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';
import { unet } from '../../models/unet.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { needed } from '../../util/needed.ts';
import type { ParameterGroup } from '../optimiser.ts';
import { groupsOf } from './groups.ts';

export interface BatchShape {
  readonly size: number;
  /** Of the latents. */
  readonly height: number;
  readonly width: number;
  readonly tokens: number;
}

export type AdapterConfig = TargetOptions &
  Pick<TrainConfig, 'seed' | 'clip_skip' | 'unet_lr' | 'text_encoder_lr'>;

export interface AdaptOptions {
  /** Weights by parameter name to begin with; those that are absent are drawn from the seed. */
  readonly initial?: ReadonlyMap<string, Tensor<'float32'>>;
  /** By path, in place of those of the configuration. */
  readonly sizes?: ReadonlyMap<string, LoraSize>;
  /**
   * Whether text states are computed in the graph; by default where the text encoder is trained.
   */
  readonly computeStates?: boolean;
}

export interface AdaptedModel {
  readonly modules: readonly LoraModule[];
  /** The adapters' weights, drawn or given; changed in place by training. */
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
  /** `unet` and `text_encoder`, those of them that have adapters. */
  readonly groups: readonly ParameterGroup[];
  /**
   * Inputs noisy_latents, target, timesteps, sample_weights, and input_ids or, where states are not
   * computed, text_states.
   */
  lossGraph(shape: BatchShape): Graph;
  /**
   * The same inputs but sample_weights; output `errors`: the squared error of each sample [size].
   */
  errorGraph(shape: BatchShape): Graph;
}

/** Throws ConfigError where clip_skip counts more layers than the text encoder has. */
export function requireTextLayers({ textEncoder }: StableDiffusionConfig, clipSkip: number): void {
  const problems = clipSkipProblems('clip_skip', clipSkip, textEncoder);
  if (problems.length > 0) throw new ConfigError(problems);
}

/** Puts adapters on the text encoder and the UNet of a model. */
export function adaptModel(
  model: StableDiffusionConfig,
  config: AdapterConfig,
  {
    initial = new Map(),
    sizes = new Map(),
    computeStates = config.train_text_encoder,
  }: AdaptOptions = {},
): AdaptedModel {
  const options = { clipSkip: config.clip_skip, computeStates };
  const targets = stableDiffusionTargets(config);
  const adapt = (outcome: Outcome, shape: BatchShape) =>
    applyAdapter(
      predictionGraph(model, options, shape, outcome),
      lora,
      (layer) => sizes.get(layer.path) ?? targets(layer),
    );
  const { modules } = adapt(loss, { size: 1, height: 1, width: 1, tokens: 1 });
  const drawn = lora.initialise(modules, config.seed);
  const weights = new Map(
    [...drawn].map(([name, tensor]) => [name, copy(initial.get(name) ?? tensor)] as const),
  );
  return {
    modules,
    weights,
    groups: groupsOf(weights, config),
    lossGraph: (shape) => adapt(loss, shape).graph,
    errorGraph: (shape) => adapt(errors, shape).graph,
  };
}

const copy = ({ shape, data }: Tensor<'float32'>): Tensor<'float32'> => ({
  dtype: 'float32',
  shape,
  data: data.slice(),
});

interface TextOptions {
  readonly clipSkip: number;
  readonly computeStates: boolean;
}

/** What is made of the prediction and its target: an output. */
type Outcome = (g: Builder, prediction: Value, target: Value, size: number) => void;

const loss: Outcome = (g, prediction, target, size) =>
  g.output(
    'loss',
    noisePredictionLoss(g, prediction, target, g.input('sample_weights', 'float32', [size])),
  );
const errors: Outcome = (g, prediction, target) =>
  g.output('errors', noisePredictionErrors(g, prediction, target));

function predictionGraph(
  model: StableDiffusionConfig,
  text: TextOptions,
  shape: BatchShape,
  outcome: Outcome,
): Graph {
  const { size, height, width } = shape;
  const g = new Builder('noise-prediction');
  const context = textStates(g, model, text, shape);
  const latents = g.input('noisy_latents', 'float32', [
    size,
    model.unet.in_channels,
    height,
    width,
  ]);
  const prediction = unet(g, model.unet, {
    latents,
    timesteps: g.input('timesteps', 'float32', [size]),
    context,
  });
  outcome(g, prediction, g.input('target', 'float32', prediction.shape), size);
  return g.finish();
}

/** [size, tokens, width]: computed from ids, or given. */
function textStates(
  g: Builder,
  { textEncoder }: StableDiffusionConfig,
  { clipSkip, computeStates }: TextOptions,
  { size, tokens }: BatchShape,
): Value {
  if (!computeStates)
    return g.input('text_states', 'float32', [size, tokens, textEncoder.hidden_size]);
  return clipTextEncoder(g, textEncoder, g.input('input_ids', 'int32', [size, tokens]), {
    clipSkip,
  });
}

/** The layers of a run that can carry an adapter, and the size that each is to have. */
export function wantedAdapters(
  model: StableDiffusionConfig,
  config: AdapterConfig,
): { readonly layers: readonly Layer[]; readonly sizes: ReadonlyMap<string, LoraSize> } {
  const options = { clipSkip: config.clip_skip, computeStates: config.train_text_encoder };
  const shape = { size: 1, height: 1, width: 1, tokens: 1 };
  const layers = adaptableLayers(predictionGraph(model, options, shape, loss));
  return { layers, sizes: sizesOf(layers, stableDiffusionTargets(config)) };
}

const sizesOf = (
  layers: readonly Layer[],
  targets: (layer: Layer) => LoraSize | undefined,
): ReadonlyMap<string, LoraSize> =>
  new Map(
    layers.flatMap((layer) => {
      const size = targets(layer);
      return size === undefined ? [] : [[layer.path, size] as const];
    }),
  );

/** The adapters as the writers of LoRA files take them. */
export function loraWeights({ modules, weights }: AdaptedModel): LoraWeights[] {
  return modules.map(({ path, alpha, down, up }) => ({
    path,
    alpha,
    down: weightOf(weights, down),
    up: weightOf(weights, up),
  }));
}

function weightOf(weights: ReadonlyMap<string, Tensor<'float32'>>, { name }: Value): Tensor {
  return needed(weights, name, 'weight');
}
