// How the processor keeps frozen weights: mapped from files, packed by the session, or copied.

import type { Graph } from '../../graph/graph.ts';
import type { OpName } from '../../graph/ops.ts';
import { readExternal } from '../../storage/read-tensor.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { byteLength, isExternal } from '../../tensor/tensor.ts';
import type { Weights } from '../../tensor/weights.ts';
import { needed } from '../../util/needed.ts';
import type { Placed, WeightOptions } from '../backend.ts';
import type { Held, Kept, StoredWeight, WeightPlan } from '../weight-plan.ts';
import { heldInMemory } from './session.ts';

/**
 * Matrices of products are packed where all are float32: those of half precision are cast in every
 * run. Else those that nothing else reads are copied, all or none.
 */
export function cpuPlan(
  { graph, weights }: Placed,
  { packWeights = false, float32Copies = 0 }: WeightOptions,
): WeightPlan {
  const weightOf = (name: string) => needed(weights, name, 'weight');
  const { matrices, others } = readersIn(graph, weights);
  const halves = [...matrices].filter((name) => weightOf(name).dtype !== 'float32');
  const toCopy = halves.filter((name) => !others.has(name));
  const bytes = toCopy.reduce((sum, name) => sum + byteLength('float32', weightOf(name).shape), 0);
  const packed = packWeights && halves.length === 0 ? matrices : new Set();
  const copied = new Set(bytes <= float32Copies ? toCopy : []);
  return new Map(
    [...matrices, ...others].map((name): [string, Kept] => {
      if (copied.has(name)) return [name, { how: 'float32', dtype: 'float32' }];
      const { dtype } = weightOf(name);
      return [name, { how: packed.has(name) ? 'packed' : 'mapped', dtype }];
    }),
  );
}

/** Operators whose second input is a matrix that they multiply with. */
const products: ReadonlySet<OpName> = new Set<OpName>(['Linear', 'LinearGradInput', 'Gemm']);

/** Weights that products read as their matrix, and those that anything else reads. */
function readersIn(graph: Graph, weights: Weights) {
  const parameters = new Set(graph.parameters.filter(({ name }) => weights.has(name)));
  const [matrices, others] = [new Set<string>(), new Set<string>()];
  for (const { op, inputs } of graph.nodes)
    inputs.forEach((value, i) => {
      if (value === undefined || !parameters.has(value)) return;
      (i === 1 && products.has(op) ? matrices : others).add(value.name);
    });
  return { matrices, others };
}

/** Copies in float32. */
export async function holdInMemory(weights: readonly StoredWeight[]): Promise<Held[]> {
  return weights.map(({ tensor }) =>
    heldInMemory(toFloat32(isExternal(tensor) ? readExternal(tensor) : tensor)),
  );
}
