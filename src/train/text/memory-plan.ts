// How many rows of tokens go through the model at once, and what memory that will take.

import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { answeringRoom } from '../../generate/text/answering-room.ts';
import { stepGraph, keyWidth } from '../../generate/text/step-graph.ts';
import { mostTogether } from '../../generate/text/answering-room.ts';
import type { Workload } from '../../runtime/backend.ts';
import { roomForAll } from '../../runtime/room.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { sizeInBytes } from '../../tensor/weights.ts';
import { lossActivations } from '../loss-program.ts';
import { besidesBytes, fittingMicroBatch, GARBAGE, trainedBytes } from '../micro-batch.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';
import { recomputed, type TextShape } from './language-loss.ts';

export interface TextMemoryPlan {
  /**
   * Rows in one run of the loss graph: the batch size, or less where that needs too much memory.
   */
  readonly microBatch: number;
  /** Predicted need, as `Room` has it. */
  readonly bytes: number;
  /** Why there is no room for the run; undefined where there is. */
  readonly lacking?: string;
  /** Bytes that may be spent on speed besides. */
  readonly spare: number;
  /** Bytes that one program of such a workload spends on speed; 0 where nothing is gained. */
  readonly spentOn: (workload: Workload) => number;
}

/**
 * `shape`: the largest of the run, for as many rows as the batch has. Halves the rows until they
 * have room, unless the size was `recorded`.
 */
export function textMemoryPlan(
  runtime: Runtime,
  adapted: AdaptedLanguageModel,
  base: LanguageModelWeights,
  shape: TextShape,
  config: TrainConfig,
  recorded?: number,
): TextMemoryPlan {
  const trainable = [...adapted.weights.keys()];
  const segmentOf = recomputed(config.gradient_checkpointing);
  const graphOf = (rows: number) =>
    adapted.lossGraph({ ...shape, rows, trained: rows * shape.length }, { dropout: true });
  const heldFor = (workload?: Workload) => runtime.weightBytes(graphOf(1), base.weights, workload);
  const held = heldFor();
  const frozen = sizeInBytes(base.weights);
  const trained = trainedBytes(adapted.groups);
  const after = answers(config) ? answersBytes(runtime, base) : 0;
  const between = config.sample_every > 0 ? after : 0;
  const { microBatch, room } = fittingMicroBatch(
    runtime,
    { most: shape.rows, recorded },
    (rows) => {
      const graph = graphOf(rows);
      const activations = lossActivations(runtime, graph, trainable, base.weights, segmentOf);
      const own = trained + besidesBytes({ activations, programs: PROGRAMS, after, between });
      return { activations, working: activations.taken + held, frozen, own };
    },
  );
  // the activations are gone when the model answers
  const rooms = answers(config) ? [answeringRoom(runtime, base, trained)] : [];
  const { bytes, lacking, spare } = roomForAll([room, ...rooms]);
  return { microBatch, bytes, lacking, spare, spentOn: (workload) => heldFor(workload) - held };
}

/** Programs of the steps that are kept: rows come in several lengths. */
export const PROGRAMS = 4;
/** Tokens of a text that is answered beside others, and of those that are read at once. */
const ANSWERED = { capacity: 256, tokens: 64 };

/** What answering takes in the process: its programs, what they compute, keys and values. */
function answersBytes(runtime: Runtime, { config, weights }: LanguageModelWeights): number {
  const rows = mostTogether(config);
  const graph = stepGraph(config, { rows, ...ANSWERED });
  const { taken, program } = runtime.activations(graph, weights);
  const kept = 4 * 2 * config.layers.length * rows * ANSWERED.capacity * keyWidth(config);
  // without and with the adapter, each with its head; keys and values before and after they grow
  return GARBAGE + taken + 4 * program + 1.5 * kept;
}

const answers = ({ sample_prompts, eval_path }: TrainConfig): boolean =>
  sample_prompts.length > 0 || eval_path !== undefined;
