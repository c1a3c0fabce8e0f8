// The order of execution that ONNX Runtime follows, and how to have it follow ours.

import type { OnnxNode } from '../onnx-model.ts';

/**
 * The order to write the nodes in. ONNX Runtime walks depth-first from the nodes nobody reads, and
 * takes them, and each node's inputs, from the end of the file first; it does not mind a node that
 * stands before its inputs. So the reverse of the meant order is executed in the meant order, each
 * node as late as its reader allows: frozen weights are cast, and activations recomputed, just
 * before they are read, and a gradient leaves as soon as it can. Not promised by ONNX Runtime:
 * execution-order.test.ts watches it.
 */
export function fileOrder(nodes: readonly OnnxNode[]): OnnxNode[] {
  return [...nodes].reverse();
}
