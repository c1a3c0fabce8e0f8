// A tensor takes each form once: of Reshapes in a row, of equal ones and of those back to where
// they came from, only what is needed stays.

import type { OnnxNode } from './onnx-model.ts';

/**
 * `shapeOf` tells shapes apart, for all variants of the graph at once; undefined where it is not
 * known. Names in `outputs` stay. Every product takes rows and gives rows, so that a third of a
 * language model's kernels were Reshapes. They move nothing, but each takes its microseconds.
 */
export function fewerReshapes(
  nodes: readonly OnnxNode[],
  shapeOf: (name: string) => string | undefined,
  outputs: ReadonlySet<string>,
): OnnxNode[] {
  const origins = new Map<string, string>(); // of each Reshape's result: what was reshaped first
  const forms = new Map<string, string>(); // origin and shape -> the tensor that has it
  const instead = new Map<string, string>();
  const rewritten = nodes.map((node) => {
    const inputs = node.inputs.map((name) => instead.get(name) ?? name);
    if (node.type !== 'Reshape') return { ...node, inputs };
    const [[source, shape], [result]] = [inputs, node.outputs];
    const origin = origins.get(source) ?? source;
    origins.set(result, origin);
    const key = `${origin} ${shapeOf(result)}`;
    const known =
      shapeOf(origin) !== undefined && shapeOf(origin) === shapeOf(result)
        ? origin
        : forms.get(key);
    if (known === undefined) forms.set(key, result);
    else instead.set(result, known);
    return { ...node, inputs: [origin, shape] };
  });
  return withoutDeadReshapes(rewritten, outputs);
}

function withoutDeadReshapes(nodes: readonly OnnxNode[], outputs: ReadonlySet<string>): OnnxNode[] {
  const read = new Set(outputs);
  const kept = [...nodes].reverse().filter((node) => {
    if (node.type === 'Reshape' && !read.has(node.outputs[0])) return false;
    for (const name of node.inputs) read.add(name);
    return true;
  });
  return kept.reverse();
}
