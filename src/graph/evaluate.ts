// The judge: evaluates a graph in float64, simply and slowly, each composite by its own definition
// and not through its decomposition.

import { InternalError } from '../errors.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { mapInputs, type Graph, type NodeOf, type Value } from './graph.ts';
import { activation } from './kernels/activation.ts';
import { attentions } from './kernels/attention.ts';
import { elementwise } from './kernels/elementwise.ts';
import { f64, type F64Tensor, type Kernels } from './kernels/f64.ts';
import { form } from './kernels/form.ts';
import { norm } from './kernels/norm.ts';
import { product } from './kernels/product.ts';
import { reduce } from './kernels/reduce.ts';
import type { OpName, OpOutputs } from './ops.ts';

export type { F64Tensor } from './kernels/f64.ts';

/** One kernel an operator. */
export const kernels: Kernels<OpName> = {
  ...elementwise,
  ...form,
  ...reduce,
  ...product,
  ...activation,
  ...norm,
  ...attentions,
};

/**
 * The graph's outputs by name. `bindings` gives every input and parameter by its name, in the shape
 * it has in the graph. Floats are never rounded, whatever their dtype in the graph.
 */
export function evaluate(
  graph: Graph,
  bindings: Readonly<Record<string, F64Tensor>>,
): Record<string, F64Tensor> {
  const values = new Map<Value, F64Tensor>();
  for (const value of [...graph.inputs, ...graph.parameters])
    values.set(value, bound(value, bindings));
  for (const [value, tensor] of graph.constants) values.set(value, toFloat64(tensor));
  for (const node of graph.nodes) {
    const results = evaluateNode(node, values);
    node.outputs.forEach((value, i) => values.set(value, results[i]));
  }
  return Object.fromEntries(
    [...graph.outputs].map(([name, value]) => [name, known(values, value)]),
  );
}

/**
 * The same numbers in float64; half-precision constants, which are held as bits, have no use here.
 */
export function toFloat64({ dtype, shape, data }: Tensor): F64Tensor {
  if (dtype === 'float16' || dtype === 'bfloat16')
    throw new InternalError(`evaluate: a constant of ${dtype}`);
  return f64(shape, Float64Array.from(data, Number));
}

function evaluateNode<K extends OpName>(
  node: NodeOf<K>,
  values: ReadonlyMap<Value, F64Tensor>,
): OpOutputs<F64Tensor>[K] {
  const inputs = mapInputs(node, (value) => known(values, value));
  const results = kernels[node.op](inputs, node.attributes, node.outputs);
  node.outputs.forEach((value, i) => {
    if (!sameShape(value.shape, results[i].shape))
      throw new InternalError(
        `evaluate: ${value.name} is [${results[i].shape}], not [${value.shape}]`,
      );
  });
  return results;
}

function bound(value: Value, bindings: Readonly<Record<string, F64Tensor>>): F64Tensor {
  const tensor = bindings[value.name];
  if (tensor === undefined) throw new InternalError(`evaluate: nothing is bound to ${value.name}`);
  if (!sameShape(tensor.shape, value.shape))
    throw new InternalError(
      `evaluate: ${value.name} is bound to [${tensor.shape}], not [${value.shape}]`,
    );
  return tensor;
}

function known(values: ReadonlyMap<Value, F64Tensor>, value: Value): F64Tensor {
  const tensor = values.get(value);
  if (tensor === undefined)
    throw new InternalError(`evaluate: ${value.name} is read before it is made`);
  return tensor;
}
