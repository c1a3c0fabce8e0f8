// One training step of a language model with an adapter on every linear layer: its loss as a graph,
// and a batch whose every token is trained.

import type { Graph, Node } from '../src/graph/graph.ts';
import type { LanguageModelConfig } from '../src/models/language-config.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { adaptLanguageModel } from '../src/train/text/adapted-model.ts';
import { textShapeOf, weighted } from '../src/train/text/batches.ts';
import { recomputed } from '../src/train/text/language-loss.ts';

export interface TextStepOptions {
  /** [rows, length] */
  readonly ids: Tensor<'int32'>;
  readonly rank: number;
  /** Whether layers are computed a second time in the backward pass. */
  readonly checkpointing?: boolean;
}

export interface TextStep {
  /** Its output `loss` is not differentiated yet. */
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** The adapters' weights, by name. */
  readonly parameters: ReadonlyMap<string, Tensor<'float32'>>;
  /** As `differentiate` takes it. */
  readonly segmentOf: ((node: Node) => string | undefined) | undefined;
}

export function textStep(
  config: LanguageModelConfig,
  { ids, rank, checkpointing = false }: TextStepOptions,
): TextStep {
  const adapted = adaptLanguageModel(config, {
    target_modules: 'all-linear',
    lora_rank: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    learning_rate: 1e-4,
    seed: 1,
  });
  const [rows, length] = ids.shape;
  const batch = {
    rows,
    length,
    ids: ids.data,
    targets: ids.data.map((_, i) => (i % length === length - 1 ? -100 : ids.data[i + 1])),
    positions: new Int32Array(),
    segments: new Int32Array(rows * length).fill(1),
    targetCount: rows * (length - 1),
  };
  const [{ inputs, shapeKey }] = weighted([batch], config, false);
  return {
    graph: adapted.lossGraph(textShapeOf(shapeKey)),
    inputs,
    parameters: adapted.weights,
    segmentOf: recomputed(checkpointing),
  };
}
