// How many rows of tokens go through the model at once, and what memory that will take.

import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { float32CopyBytes } from '../../generate/text/float32-copies.ts';
import { activationBytes } from '../loss-program.ts';
import { parameterCount } from '../task.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';
import { recomputed, type TextShape } from './language-loss.ts';

export interface TextMemoryPlan {
  /** Rows in one run of the loss graph: the batch size, or less where that needs too much memory. */
  readonly microBatch: number;
  /** Expected need of the process. */
  readonly bytes: number;
}

/** Activations of one micro-batch stay below this where they can; the same on every machine, so that results are too. */
const activationLimit = 4 * 2 ** 30;
/** What Node and ONNX Runtime hold before any model, and the programs of a few shapes. */
const processBytes = 250 * 2 ** 20;
/**
 * Bytes held for each byte of live activations. Both figures were fitted to peaks measured with 1.5, 135 and 494 million parameters
 * in float32, one and four rows of 512 tokens, with gradient checkpointing and without: estimates are 12 % below to 15 % above.
 */
const heldPerLive = 1.25;
/** Weight, gradient and two moments of each trained number. */
const bytesPerParameter = 16;

/** `shape`: the largest of the run, for as many rows as the batch has. Halves the rows until their activations fit. */
export function textMemoryPlan(adapted: AdaptedLanguageModel, base: LanguageModelWeights, shape: TextShape, config: TrainConfig): TextMemoryPlan {
  const trainable = [...adapted.weights.keys()];
  const segmentOf = recomputed(config.gradient_checkpointing);
  const activations = (rows: number) => activationBytes(adapted.lossGraph({ ...shape, rows, trained: rows * shape.length }, { dropout: true }), trainable, base.weights, segmentOf);
  let microBatch = shape.rows;
  let live = activations(microBatch);
  while (live > activationLimit && microBatch > 1) {
    microBatch = Math.ceil(microBatch / 2);
    live = activations(microBatch);
  }
  const frozen = [...base.weights.values()].reduce((sum, { length }) => sum + length, 0);
  const working = Math.max(heldPerLive * live, answers(config) ? float32CopyBytes(adapted.adaptable, base.weights) : 0);
  return { microBatch, bytes: processBytes + frozen + working + bytesPerParameter * parameterCount(adapted.groups) };
}

/** The activations are gone when the model answers. */
const answers = ({ sample_prompts, eval_path }: TrainConfig): boolean => sample_prompts.length > 0 || eval_path !== undefined;
