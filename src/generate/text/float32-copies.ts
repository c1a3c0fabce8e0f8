// Half-precision weights as float32 in memory: the runtime multiplies in float32, and would cast
// each weight again for every token.

import { adaptableLayers } from '../../adapters/lora.ts';
import { readFloat32 } from '../../checkpoints/safetensors-file.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Weights } from '../../tensor/weights.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { byteLength, isExternal, type Tensor } from '../../tensor/tensor.ts';

export interface SplitWeights {
  /** Stay where they are. */
  readonly bound: Weights;
  /** By name: inputs of every run, whose memory the runtime shares. */
  readonly copies: Readonly<Record<string, Tensor>>;
}

/** Bytes that all copies may take, where nothing else is said. */
export const MOST_COPIES = 2 ** 30;

/**
 * Copies the weights of the graph's linear layers that are not float32, if all copies take at most
 * `mostBytes`.
 */
export function splitWeights(graph: Graph, weights: Weights, mostBytes: number): SplitWeights {
  const halves = halvesOf(
    adaptableLayers(graph).map(({ path }) => path),
    weights,
  );
  if (bytesOf(halves) > mostBytes) return { bound: weights, copies: {} };
  const copies = Object.fromEntries(
    halves.map(([name, weight]) => [
      name,
      isExternal(weight) ? readFloat32(weight) : toFloat32(weight),
    ]),
  );
  return { bound: new Map([...weights].filter(([name]) => !Object.hasOwn(copies, name))), copies };
}

/** What the copies for these layers take. */
export function float32CopyBytes(paths: readonly string[], weights: Weights): number {
  const bytes = bytesOf(halvesOf(paths, weights));
  return bytes > MOST_COPIES ? 0 : bytes;
}

const halvesOf = (paths: readonly string[], weights: Weights) =>
  paths.flatMap((path) => {
    const weight = weights.get(`${path}.weight`);
    return weight === undefined || weight.dtype === 'float32'
      ? []
      : [[`${path}.weight`, weight] as const];
  });

const bytesOf = (halves: ReturnType<typeof halvesOf>): number =>
  halves.reduce((sum, [, { shape }]) => sum + byteLength('float32', shape), 0);
