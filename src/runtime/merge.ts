// Graphs of one structure and several shapes as one ONNX graph: constants that depend on the shape
// become inputs, dimensions that differ become symbols.

import { createHash } from 'node:crypto';
import { InternalError } from '../errors.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';
import type { Backend } from './backend.ts';
import { fewerReshapes } from './fewer-reshapes.ts';
import type { Lowered } from './lowering.ts';
import type { OnnxGraph, OnnxInitializer, OnnxNode, OnnxValue } from './onnx-model.ts';

export interface Merged {
  readonly onnx: OnnxGraph;
  /**
   * What each of the graphs feeds besides its caller's inputs: its own values of the constants that
   * differ.
   */
  readonly fed: readonly Readonly<Record<string, Tensor>>[];
}

/**
 * `order` is a backend's. Throws InternalError naming the first node at which the graphs are not of
 * one structure.
 */
export function merge(all: readonly Lowered[], order: Backend['order']): Merged {
  const constants = new Constants(all);
  const nodes = all[0].nodes.map((node, at) => mergeNode(all, node, at, constants));
  checkLength(all);
  const onnx = {
    name: all[0].name,
    inputs: [...mergeValues(all, 'inputs'), ...heldInputs(all[0]), ...constants.inputs],
    outputs: mergeValues(all, 'outputs'),
    initializers: [...all[0].weights, ...constants.initializers],
    nodes: order(
      fewerReshapes(nodes, shapesIn(all), new Set(all[0].outputs.map(({ name }) => name))),
    ),
  };
  return { onnx, fed: constants.fed };
}

const heldInputs = ({ held }: Lowered): OnnxValue[] =>
  [...held].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));

/** A tensor's shapes in all of the graphs. */
const shapesIn = (all: readonly Lowered[]) => (name: string) => {
  const shapes = all.map(({ types }) => types.get(name)?.shape);
  return shapes.includes(undefined) ? undefined : shapes.join(' | ');
};

function mergeNode(
  all: readonly Lowered[],
  node: OnnxNode,
  at: number,
  constants: Constants,
): OnnxNode {
  const peers = all.map(({ nodes }) => nodes[at]);
  const form = signature(node);
  if (peers.some((peer) => peer === undefined || signature(peer) !== form)) throw differs(all, at);
  return {
    ...node,
    inputs: node.inputs.map((_, k) =>
      constants.merge(
        peers.map(({ inputs }) => inputs[k]),
        at,
      ),
    ),
  };
}

const signature = ({ type, domain, inputs, outputs, attributes }: OnnxNode) =>
  JSON.stringify([type, domain, inputs.length, outputs, attributes]);

function differs(all: readonly Lowered[], at: number): InternalError {
  const found = all.map(({ nodes }) =>
    at < nodes.length
      ? `${nodes[at].type} ${nodes[at].name} ${JSON.stringify(nodes[at].attributes)}`
      : 'nothing',
  );
  return new InternalError(
    `${all[0].name}: the shapes need different graphs, at node ${at}: ${[...new Set(found)].join(' / ')}`,
  );
}

function checkLength(all: readonly Lowered[]): void {
  const shortest = Math.min(...all.map(({ nodes }) => nodes.length));
  if (all.some(({ nodes }) => nodes.length > shortest)) throw differs(all, shortest);
}

/** Constants by content: equal ones become one, whatever they are called. */
class Constants {
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  readonly fed: readonly Record<string, Tensor>[];
  readonly #all: readonly Lowered[];
  readonly #named = new Map<string, string>();
  readonly #keys = new Map<Tensor, string>();

  constructor(all: readonly Lowered[]) {
    this.#all = all;
    this.fed = all.map(() => ({}));
  }

  /** The name in the merged graph of what each graph calls `names[i]`. */
  merge(names: readonly string[], at: number): string {
    const isConstant = names.map((name, i) => this.#all[i].constants.has(name));
    if (!isConstant.includes(true) && names.every((name) => name === names[0])) return names[0];
    if (isConstant.includes(false)) throw differs(this.#all, at);
    const tensors = names.map((name, i) => needed(this.#all[i].constants, name, 'constant'));
    const key = tensors.map((tensor) => this.#keyOf(tensor)).join('|');
    const known = this.#named.get(key);
    if (known !== undefined) return known;
    this.#named.set(key, names[0]);
    this.#add(names[0], tensors);
    return names[0];
  }

  #add(name: string, tensors: readonly Tensor[]): void {
    const [first, ...others] = tensors;
    if (others.every((tensor) => this.#keyOf(tensor) === this.#keyOf(first))) {
      this.initializers.push({ name, tensor: first });
      return;
    }
    this.inputs.push({
      name,
      dtype: first.dtype,
      shape: mergeShapes(
        tensors.map(({ shape }) => shape),
        name,
      ),
    });
    tensors.forEach((tensor, i) => (this.fed[i][name] = tensor));
  }

  #keyOf(tensor: Tensor): string {
    const known = this.#keys.get(tensor) ?? contentKey(tensor);
    this.#keys.set(tensor, known);
    return known;
  }
}

function contentKey({ dtype, shape, data }: Tensor): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const content =
    bytes.length <= 64
      ? bytes.toString('base64')
      : createHash('sha256').update(bytes).digest('base64');
  return `${dtype} ${shape} ${content}`;
}

function mergeValues(all: readonly Lowered[], which: 'inputs' | 'outputs'): OnnxValue[] {
  return all[0][which].map((value, i) => {
    const peers = all.map((lowered) => lowered[which][i]);
    const same = peers.every((peer) => peer?.name === value.name && peer.dtype === value.dtype);
    if (!same)
      throw new InternalError(
        `${all[0].name}: the shapes need different ${which}, at ${value.name}`,
      );
    return {
      ...value,
      shape: mergeShapes(
        peers.map(({ shape }) => shape),
        value.name,
      ),
    };
  });
}

/** Sizes that differ become a symbol, the same for the same sizes. */
function mergeShapes(shapes: readonly Shape[], name: string): (number | string)[] {
  if (shapes.some(({ length }) => length !== shapes[0].length))
    throw new InternalError(`${name} has another rank for another shape`);
  return shapes[0].map((dim, axis) => {
    const sizes = shapes.map((shape) => shape[axis]);
    return sizes.every((size) => size === dim) ? dim : `d${sizes.join('_')}`;
  });
}
