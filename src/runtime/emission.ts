// How a backend says what becomes of each operator: nodes of ONNX, or its decomposition.

import { InternalError } from '../errors.ts';
import type { NodeOf } from '../graph/graph.ts';
import type { OpName } from '../graph/ops.ts';
import type { Emitter } from './emitter.ts';

export type Emit<K extends OpName> = (e: Emitter, node: NodeOf<K>) => void;

export interface Emission<K extends OpName> {
  readonly emit: Emit<K>;
  /** Whether the backend has a kernel for this very node; if not, it is decomposed. */
  readonly when: (node: NodeOf<K>) => boolean;
}

/** Total over the operators. */
export type Emissions = { readonly [K in OpName]: Emit<K> | Emission<K> | 'decompose' };

/** Emits one node; composite operators without a kernel must have been decomposed before. */
export function emitNode<K extends OpName>(
  emissions: Emissions,
  e: Emitter,
  node: NodeOf<K>,
): void {
  const emission = emissions[node.op];
  if (emission === 'decompose') throw new InternalError(`${node.op} reached the encoder whole`);
  e.begin(node.outputs[0].name);
  if (typeof emission === 'object') emission.emit(e, node);
  else emission(e, node);
}

/** Whether the backend takes this node whole. */
export function hasKernel<K extends OpName>(emissions: Emissions, node: NodeOf<K>): boolean {
  const emission = emissions[node.op];
  return typeof emission === 'object' ? emission.when(node) : emission !== 'decompose';
}
