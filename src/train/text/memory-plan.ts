// How many rows of tokens go through the model at once, and what memory that will take.

import { totalmem } from 'node:os';
import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { TrainConfig } from '../../config/schema.ts';
import type { Graph } from '../../graph/graph.ts';
import { MOST_COPIES } from '../../generate/text/cached-model.ts';
import { stepGraph } from '../../generate/text/step-graph.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { lossActivations } from '../loss-program.ts';
import { fittingMicroBatch, heldBytes, processNeed } from '../micro-batch.ts';
import { parameterCount } from '../task.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';
import { recomputed, type TextShape } from './language-loss.ts';

export interface TextMemoryPlan {
  /**
   * Rows in one run of the loss graph: the batch size, or less where that needs too much memory.
   */
  readonly microBatch: number;
  /** Expected need: of the process, or of the graphics card that computes. */
  readonly bytes: number;
  /** Why there is no room for the run; undefined where there is. */
  readonly lacking?: string;
  /** What packed weights would take besides; 0 where they cannot be packed. */
  readonly packable: number;
}

/**
 * Bytes held for each byte of live activations. Both figures were fitted to peaks measured with
 * 1.5, 135 and 494 million parameters in float32, one and four rows of 512 tokens, with gradient
 * checkpointing and without: estimates are 12 % below to 15 % above.
 */
const bytesPerLiveByte = 1.25;
/**
 * Runs after which packing has given back the time that it took: 8 to 10 (docs/experiments.md), and
 * some to gain by.
 */
const runsToPackFor = 32;

/**
 * `shape`: the largest of the run, for as many rows as the batch has. Halves the rows until their
 * activations fit.
 */
export function textMemoryPlan(
  runtime: Runtime,
  adapted: AdaptedLanguageModel,
  base: LanguageModelWeights,
  shape: TextShape,
  config: TrainConfig,
): TextMemoryPlan {
  const trainable = [...adapted.weights.keys()];
  const segmentOf = recomputed(config.gradient_checkpointing);
  const graphOf = (rows: number) =>
    adapted.lossGraph({ ...shape, rows, trained: rows * shape.length }, { dropout: true });
  const held = heldBytes(runtime, graphOf(1), base.weights);
  const { microBatch, activations, lacking } = fittingMicroBatch(runtime, shape.rows, {
    activationsOf: (rows) =>
      lossActivations(runtime, graphOf(rows), trainable, base.weights, segmentOf),
    held,
  });
  const need = {
    frozen: [...base.weights.values()].reduce((sum, { length }) => sum + length, 0),
    working: Math.max(
      bytesPerLiveByte * activations.live,
      answers(config) ? copyBytes(runtime, base) : 0,
    ),
    parameters: parameterCount(adapted.groups),
  };
  return {
    microBatch,
    bytes: runtime.deviceBytes(activations, held) ?? processNeed(need),
    lacking,
    packable: packableBytes(runtime, graphOf(1), base),
  };
}

export interface PackingOptions {
  /** How often the loss graph is run. */
  readonly runs: number;
  /** Bytes of the machine; by default those that this process may have. */
  readonly machine?: number;
}

/**
 * Whether a run with one program is to pack its weights, which makes it about a tenth faster, or
 * whether it is too short, or the machine too small. The same on one machine at any time: packed
 * weights round sums otherwise.
 */
export function packsWeights(
  { bytes, packable }: TextMemoryPlan,
  { runs, machine = machineBytes() }: PackingOptions,
): boolean {
  return packable > 0 && runs >= runsToPackFor && bytes + packable <= machine / 2;
}

/** Packed twice, once forward and once backward, they leave their file. */
const packableBytes = (runtime: Runtime, graph: Graph, { weights }: LanguageModelWeights): number =>
  runtime.weightBytes(graph, weights, { packWeights: true }).get('packed') ?? 0;

/** Of the copies in float32 that the model answers with. */
const copyBytes = (runtime: Runtime, { config, weights }: LanguageModelWeights): number =>
  runtime
    .weightBytes(stepGraph(config, { tokens: 1, capacity: 1 }), weights, {
      float32Copies: MOST_COPIES,
    })
    .get('float32') ?? 0;

/** The machine's, or what a container may have of it. */
function machineBytes(): number {
  const allowed = process.constrainedMemory(); // 0 or beyond all memory: there is no limit
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/** The activations are gone when the model answers. */
const answers = ({ sample_prompts, eval_path }: TrainConfig): boolean =>
  sample_prompts.length > 0 || eval_path !== undefined;
