// Rewrites that every provider of ONNX Runtime gains by.

import { factorsLast } from '../../graph/passes/factors-last.ts';
import { lateOrder } from '../../graph/passes/late-order.ts';
import { padsToConcat } from '../../graph/passes/pads-to-concat.ts';
import type { Pass } from '../backend.ts';

/** In the order in which they are applied. */
export const passes: readonly Pass[] = [
  { name: 'late order', apply: lateOrder },
  { name: 'factors last', apply: (graph) => factorsLast(graph).graph },
  { name: 'pads to concat', apply: (graph) => padsToConcat(graph).graph },
];
