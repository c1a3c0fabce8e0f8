// A layer with LoRA (Hu et al., arXiv 2106.09685): y = W x + b becomes y + scale · B A x.

import type { Value } from '../graph/graph.ts';
import type { Layer } from './layers.ts';

export interface LoraSize {
  readonly rank: number;
  /** The scale is alpha / rank. */
  readonly alpha: number;
}

/** An adapter of one layer: A [rank, in, (kh, kw)] and B [out, rank, (1, 1)]. */
export interface LoraModule extends Layer, LoraSize {
  readonly down: Value;
  readonly up: Value;
}

/** A of a layer is its down, B its up. */
export type LoraRole = 'down' | 'up';
