// Whether a language model has room for its answers where they are computed, and how many of them
// are computed beside each other.

import type { Graph } from '../../graph/graph.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { largestOf, type Room } from '../../runtime/room.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { byteLength } from '../../tensor/tensor.ts';
import { sizeInBytes, type Weights } from '../../tensor/weights.ts';
import { answering, usualChunks } from './cached-model.ts';
import { headGraph } from './score.ts';
import { keyWidth, stepGraph } from './step-graph.ts';

/**
 * Texts that gain from being written beside each other; with more, computing takes longer than
 * reading the weights.
 */
const MOST_TOGETHER = 8;
/** Bytes of keys and values that all texts together may take, at so many tokens each. */
const [CACHE_BYTES, CACHE_TOKENS] = [2 ** 28, 512];

/** Texts that are written or read beside each other. */
export function mostTogether(config: LanguageModelConfig): number {
  const bytes = 2 * config.layers.length * CACHE_TOKENS * keyWidth(config) * 4;
  return Math.max(1, Math.min(MOST_TOGETHER, Math.floor(CACHE_BYTES / bytes)));
}

/**
 * For texts of usual length, one alone or as many as are written together; longer ones take little
 * more beside the weights. `own`: as `Need` has it.
 */
export function answeringRoom(
  runtime: Runtime,
  { config, weights }: { readonly config: LanguageModelConfig; readonly weights: Weights },
  own = 0,
): Room {
  const steps = [...new Set([1, mostTogether(config)])].map((rows) =>
    stepGraph(config, { rows, tokens: Math.max(...usualChunks(rows)), capacity: CACHE_TOKENS }),
  );
  const graphs = [...steps, headGraph(config)];
  const activations = graphs.map((graph) => runtime.activations(graph, weights));
  const atWork = graphs.map((graph, i) => activations[i].taken + inputBytes(graph));
  return runtime.room({
    activations: largestOf(activations),
    working: Math.max(...atWork) + runtime.weightBytes(steps[0], weights, answering),
    frozen: sizeInBytes(weights),
    own,
  });
}

/** The keys and values that are kept are given to every step. */
const inputBytes = ({ inputs }: Graph): number =>
  inputs.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0);
