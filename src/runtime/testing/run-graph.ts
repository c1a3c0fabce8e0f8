// Runs a graph once on ONNX Runtime with the tensors of the float64 evaluator.

import { toFloat64, type F64Tensor } from '../../graph/evaluate.ts';
import type { Graph } from '../../graph/graph.ts';
import { typedArrays, type DType } from '../../tensor/dtype.ts';
import { tensor, type Tensor } from '../../tensor/tensor.ts';
import { cpuRuntime, type Runtime } from '../runtime.ts';

/** The same numbers as `dtype` holds them; not for half precision. */
export function toDType({ shape, data }: F64Tensor, dtype: DType): Tensor {
  if (dtype === 'int64') return tensor('int64', shape, BigInt64Array.from(data, BigInt));
  // int64 is dealt with, all other arrays hold numbers; TypeScript cannot correlate the two tables.
  return { dtype, shape, data: typedArrays[dtype].from(data as never) } as Tensor;
}

/** What `evaluate` returns, computed by ONNX Runtime in the dtypes of the graph. */
export async function runGraph(
  graph: Graph,
  bindings: Readonly<Record<string, F64Tensor>>,
  runtime: Runtime = cpuRuntime(1),
): Promise<Record<string, F64Tensor>> {
  const program = await runtime.compile(graph, { weights: new Map() });
  const inputs = [...graph.inputs, ...graph.parameters].map(
    ({ name, dtype }) => [name, toDType(bindings[name], dtype)] as const,
  );
  const results = await program.run(Object.fromEntries(inputs));
  await program.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, toFloat64(result)]),
  );
}
