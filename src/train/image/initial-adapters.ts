// Adapters that a training begins with: those that it goes on with, and those of text layers
// behind clip_skip, which it keeps as they are.

import { adaptableLayers } from '../../adapters/layers.ts';
import { lora, loraParameter, loraParameters } from '../../adapters/lora.ts';
import type { LoraModule } from '../../adapters/lora-module.ts';
import { stableDiffusionPaths } from '../../adapters/stable-diffusion-paths.ts';
import { leftoverWarnings } from '../../checkpoints/leftovers.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { AdapterError, type Problem } from '../../errors.ts';
import { faultsByKind } from '../../util/problems-by-kind.ts';
import { readPictureLora } from '../../adapter-files/picture-lora.ts';
import { shapeProblem, type LoraWeights } from '../../adapter-files/lora.ts';
import type { Graph } from '../../graph/graph.ts';
import { textEncoderGraph } from '../../models/graphs.ts';
import type { StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { sameShape, type Tensor } from '../../tensor/tensor.ts';

export interface InitialAdapters {
  /** By parameter name, for this run's alphas. */
  readonly trained: ReadonlyMap<string, Tensor<'float32'>>;
  /** Of text layers that clip_skip leaves out of the run: no gradient reaches them. */
  readonly kept: readonly LoraWeights[];
  /** For messages. */
  readonly where: string;
  /** Tensors of the file that are ignored. */
  readonly warnings: readonly Problem[];
}

/**
 * Of a LoRA of any format, or of tensors by name. Throws AdapterError for what is no plain LoRA,
 * and for half of an adapter.
 */
export function initialAdapters(
  initial: string | ReadonlyMap<string, Tensor> | undefined,
  model: StableDiffusionConfig,
  config: TrainConfig,
): InitialAdapters {
  const skipped = skippedLayers(model, config);
  if (typeof initial === 'string') {
    const { modules, leftovers } = readPictureLora(initial, stableDiffusionPaths(model));
    const trained = modules.filter(({ path }) => !skipped.has(path));
    const kept = modules.filter(({ path }) => skipped.has(path));
    const warnings = leftoverWarnings(leftovers, initial);
    return { trained: weightsOf(trained, config), kept, where: initial, warnings };
  }
  const given = [...(initial ?? [])];
  const isSkipped = ([name]: readonly [string, unknown]) => skipped.has(layerOf(name));
  const trained = given.filter((entry) => !isSkipped(entry));
  return {
    trained: new Map(trained.map(([name, tensor]) => [name, toFloat32(tensor)])),
    kept: keptModules(new Map(given.filter(isSkipped)), config),
    where: 'initial',
    warnings: [],
  };
}

/** Text layers that the model has, and this run, which ends the text encoder earlier, has not. */
function skippedLayers(
  { textEncoder }: StableDiffusionConfig,
  { clip_skip, train_text_encoder }: TrainConfig,
): ReadonlySet<string> {
  if (!train_text_encoder) return new Set();
  const whole = pathsOf(textEncoderGraph(textEncoder, [1, 1]));
  const used = new Set(pathsOf(textEncoderGraph(textEncoder, [1, 1], clip_skip)));
  return new Set(whole.filter((path) => !used.has(path)));
}

/**
 * The adapters with the effect they had: where the file's alpha is not this run's, up is scaled.
 */
function weightsOf(
  modules: readonly LoraWeights[],
  { lora_alpha, conv_alpha }: TrainConfig,
): ReadonlyMap<string, Tensor<'float32'>> {
  return loraParameters(
    modules.map(({ path, down, up, alpha }) => {
      const isWide = down.shape.length === 4 && down.shape[2] * down.shape[3] > 1;
      return { path, down, up: scaled(up, alpha / (isWide ? conv_alpha : lora_alpha)) };
    }),
  );
}

function scaled(tensor: Tensor, factor: number): Tensor<'float32'> {
  const float32 = toFloat32(tensor);
  if (factor === 1) return float32;
  return { ...float32, data: float32.data.map((value) => value * factor) };
}

const layerOf = (name: string): string => lora.partOf(name)?.name ?? name;

function keptModules(
  tensors: ReadonlyMap<string, Tensor>,
  { lora_alpha: alpha }: TrainConfig,
): LoraWeights[] {
  return [...new Set(Array.from(tensors.keys(), layerOf))].map((path) => {
    const down = tensors.get(loraParameter(path, 'down'));
    const up = tensors.get(loraParameter(path, 'up'));
    const what =
      down === undefined || up === undefined
        ? `not a pair of ${lora.keys.graph.down} and ${lora.keys.graph.up}`
        : shapeProblem(down, up);
    if (down === undefined || up === undefined || what !== undefined)
      throw new AdapterError([{ where: `initial ${path}`, what: what ?? '' }]);
    return { path, down, up, alpha };
  });
}

const pathsOf = (graph: Graph): string[] => adaptableLayers(graph).map(({ path }) => path);

/** Throws AdapterError for weights that no adapter of this run has, or of another shape. */
export function checkInitial(
  modules: readonly LoraModule[],
  { trained, where }: InitialAdapters,
): void {
  const shapes = new Map(
    modules.flatMap(({ down, up }) => [down, up]).map(({ name, shape }) => [name, shape] as const),
  );
  const problems = [...trained].flatMap(([name, { shape }]): Problem[] => {
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
  if (problems.length > 0) throw new AdapterError(faultsByKind(problems));
}
