// A language model with its adapters and the loss of its trained tokens, in one graph.

import { dropoutInputs, loraDropout } from '../../adapters/dropout.ts';
import { applyAdapter } from '../../adapters/apply.ts';
import { languageTargets, type LanguageTargetOptions } from '../../adapters/language-targets.ts';
import { adaptableLayers } from '../../adapters/layers.ts';
import { lora } from '../../adapters/lora.ts';
import type { LoraModule, LoraSize } from '../../adapters/lora-module.ts';
import { ConfigError } from '../../errors.ts';
import type { LoraWeights } from '../../adapter-files/lora.ts';
import type { Graph } from '../../graph/graph.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { needed } from '../../util/needed.ts';
import type { ParameterGroup } from '../optimiser.ts';
import { languageLoss, type TextShape } from './language-loss.ts';

export interface TextAdapterConfig extends LanguageTargetOptions {
  readonly seed: number;
  readonly learning_rate: number;
  /** Probability; 0 for none. */
  readonly lora_dropout: number;
}

export interface TextAdaptOptions {
  /** Weights by parameter name to begin with; those that are absent are drawn from the seed. */
  readonly initial?: ReadonlyMap<string, Tensor<'float32'>>;
  /** By path, in place of those of the configuration. */
  readonly sizes?: ReadonlyMap<string, LoraSize>;
}

export interface AdaptedLanguageModel {
  readonly modules: readonly LoraModule[];
  /** The adapters' weights, changed in place by training. */
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
  readonly groups: readonly ParameterGroup[];
  /** Paths of all layers that could carry an adapter. */
  readonly adaptable: readonly string[];
  /** Inputs as `languageLoss` names them; where `dropout` is on, those of `loraDropout` too. */
  lossGraph(shape: TextShape, options?: { readonly dropout?: boolean }): Graph;
  /** What dropout draws for micro-batch `index` of the run; nothing where there is no dropout. */
  dropoutInputs(shape: TextShape, index: number): Readonly<Record<string, Tensor>>;
}

/**
 * Puts adapters, drawn from the seed, on the layers that the configuration names. Throws
 * ConfigError.
 */
export function adaptLanguageModel(
  model: LanguageModelConfig,
  config: TextAdapterConfig,
  { initial = new Map(), sizes: given = new Map() }: TextAdaptOptions = {},
): AdaptedLanguageModel {
  const plain = languageLoss(model, { rows: 1, length: 1, trained: 1, packed: false });
  const layers = adaptableLayers(plain);
  const sizes = new Map([...languageTargets(layers, config), ...given]);
  const adaptedHead = sizes.has('lm_head');
  if (adaptedHead && config.lora_dropout > 0) throw new ConfigError([dropoutAtHead]);
  const targets = layers.filter(({ path }) => sizes.has(path));
  const lossGraph = (shape: TextShape, { dropout = false } = {}) => {
    const graph = languageLoss(model, shape, { head: adaptedHead ? 'adapted' : 'frozen' });
    const reads =
      dropout && config.lora_dropout > 0
        ? loraDropout(graph, targets, config.lora_dropout)
        : undefined;
    return applyAdapter(graph, lora, ({ path }) => sizes.get(path), {
      together: true,
      ...(reads && { reads }),
    });
  };
  const { modules } = lossGraph({ rows: 1, length: 1, trained: 1, packed: false });
  const drawn = lora.initialise(modules, config.seed);
  const weights = new Map(
    [...drawn].map(([name, tensor]) => [name, copyOf(initial.get(name) ?? tensor)] as const),
  );
  return {
    modules,
    weights,
    groups: [{ name: 'model', learningRate: config.learning_rate, parameters: weights }],
    adaptable: layers.map(({ path }) => path),
    lossGraph: (shape, options) => lossGraph(shape, options).graph,
    dropoutInputs: ({ rows, length }, index) =>
      config.lora_dropout > 0
        ? dropoutInputs({ layers: targets, tokens: rows * length }, config.seed, index)
        : {},
  };
}

const copyOf = (tensor: Tensor<'float32'>): Tensor<'float32'> => ({
  ...tensor,
  data: tensor.data.slice(),
});

/** The layers of a model that can carry an adapter, and the size that each is to have. */
export function wantedAdapters(model: LanguageModelConfig, config: TextAdapterConfig) {
  const plain = languageLoss(model, { rows: 1, length: 1, trained: 1, packed: false });
  const layers = adaptableLayers(plain);
  return { layers, sizes: languageTargets(layers, config) };
}

const dropoutAtHead = {
  where: 'lora_dropout',
  what: 'is for layers only, but target_modules also names lm_head',
  fix: 'Remove lm_head from target_modules, or set lora_dropout: 0.',
};

/**
 * The adapters as writers of LoRA files take them: with rsLoRA the alpha is the configuration's,
 * which the file's `use_rslora` goes with.
 */
export function languageLoraWeights(
  { modules, weights }: AdaptedLanguageModel,
  rslora: boolean,
): LoraWeights[] {
  return modules.map(({ path, rank, alpha, down, up }) => ({
    path,
    alpha: rslora ? rounded(alpha / Math.sqrt(rank)) : alpha,
    down: needed(weights, down.name, 'weight'),
    up: needed(weights, up.name, 'weight'),
  }));
}

/** Undoes the error of √rank times and divided: 16, not 15.999999999999998. */
const rounded = (alpha: number): number => Number(alpha.toPrecision(12));
