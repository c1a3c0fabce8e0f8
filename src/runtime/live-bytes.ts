// The bytes alive at each moment of an order of execution.

import { byteLength } from '../tensor/tensor.ts';
import type { Lowered } from './lowering.ts';
import type { OnnxNode } from './onnx-model.ts';

/** Outputs of these are their input's memory under another shape. */
const ALIASES: ReadonlySet<string> = new Set(['Reshape', 'Identity']);

/**
 * Bytes of computed tensors alive while each node of `order` runs: from the node that makes a
 * tensor to the last that reads it, or to the end for outputs. Inputs and frozen weights are not
 * counted.
 */
export function liveBytes(
  order: readonly OnnxNode[],
  lowered: Pick<Lowered, 'types' | 'outputs'>,
): number[] {
  const owner = storageOwners(order);
  const lastUse = lastUses(order, owner, lowered);
  const size = (name: string) => {
    const type = lowered.types.get(name);
    return type === undefined ? 0 : byteLength(type.dtype, type.shape);
  };
  let live = 0;
  return order.map((node, at) => {
    const made = node.outputs.filter((name) => owner.get(name) === name);
    live += made.reduce((sum, name) => sum + size(name), 0);
    const during = live;
    for (const name of lastUse[at]) live -= size(name);
    return during;
  });
}

/** For each computed tensor the tensor whose memory it shares. */
function storageOwners(order: readonly OnnxNode[]): Map<string, string> {
  const owner = new Map<string, string>();
  for (const { type, inputs, outputs } of order) {
    const shared = ALIASES.has(type) ? owner.get(inputs[0]) : undefined;
    for (const name of outputs) owner.set(name, shared ?? name);
  }
  return owner;
}

/** The tensors that nobody needs after each node. */
function lastUses(
  order: readonly OnnxNode[],
  owner: ReadonlyMap<string, string>,
  { outputs }: Pick<Lowered, 'outputs'>,
): string[][] {
  const last = new Map<string, number>();
  order.forEach((node, at) => {
    for (const name of [...node.inputs, ...node.outputs]) {
      const storage = owner.get(name);
      if (storage !== undefined) last.set(storage, at);
    }
  });
  for (const { name } of outputs) last.delete(owner.get(name) ?? name);
  const freed: string[][] = order.map(() => []);
  for (const [name, at] of last) freed[at].push(name);
  return freed;
}
