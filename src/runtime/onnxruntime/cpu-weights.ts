// How the processor keeps frozen weights: mapped from files, packed by the session, or copied.

import type { Graph } from '../../graph/graph.ts';
import type { OpName } from '../../graph/ops.ts';
import { readExternal } from '../../storage/read-tensor.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { byteLength, isExternal } from '../../tensor/tensor.ts';
import type { Weights } from '../../tensor/weights.ts';
import { needed } from '../../util/needed.ts';
import type { BoundGraph, Workload } from '../backend.ts';
import type { Held, Kept, WeightToHold, WeightPlan } from '../weight-plan.ts';
import { heldInMemory } from './session.ts';

/**
 * Runs after which packing has given back the time that it took: 8 to 10 (docs/experiments.md), and
 * some to gain by.
 */
const RUNS_TO_PACK_FOR = 32;

/**
 * The matrices of products take `spare` bytes besides, all or none: for many runs they are packed,
 * for each direction, where all are float32; for short ones those of half precision that nothing
 * else reads are copied in float32, as which they would be cast in every run.
 */
export function cpuPlan({ graph, weights }: BoundGraph, workload?: Workload): WeightPlan {
  const dtypeOf = (name: string) => needed(weights, name, 'weight').dtype;
  const { matrices, others } = readersIn(graph, weights);
  const halves = [...matrices].filter((name) => dtypeOf(name) !== 'float32');
  const fitting = (names: readonly string[]): ReadonlySet<string> =>
    new Set(workload && float32Bytes(names, weights) <= workload.spare ? names : []);
  const isShort = workload?.runs === 'short';
  const copied = fitting(isShort ? halves.filter((name) => !others.has(name)) : []);
  const pays = !isShort && (workload?.runs ?? 0) >= RUNS_TO_PACK_FOR && halves.length === 0;
  const packed = fitting(pays ? [...matrices] : []);
  return new Map(
    [...matrices, ...others].map((name): [string, Kept] => {
      if (copied.has(name)) return [name, { how: 'copied', dtype: 'float32' }];
      return [name, { how: packed.has(name) ? 'packed' : 'mapped', dtype: dtypeOf(name) }];
    }),
  );
}

const float32Bytes = (names: readonly string[], weights: Weights): number =>
  names.reduce(
    (sum, name) => sum + byteLength('float32', needed(weights, name, 'weight').shape),
    0,
  );

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
export async function holdInMemory(weights: readonly WeightToHold[]): Promise<Held[]> {
  return weights.map(({ tensor }) =>
    heldInMemory(toFloat32(isExternal(tensor) ? readExternal(tensor) : tensor)),
  );
}
