// The inputs of a node whose operator has no optional ones.

import { InternalError } from '../../errors.ts';
import type { Node, NodeOf, Value } from '../graph.ts';
import type { OpName } from '../ops.ts';

/** All inputs, none of them absent. */
export function inputsOf<K extends OpName>(node: NodeOf<K> | Node): Value[] {
  return node.inputs.map((value, index) => {
    if (value === undefined)
      throw new InternalError(`${node.op} in '${node.scope}' lacks input ${index}`);
    return value;
  });
}
