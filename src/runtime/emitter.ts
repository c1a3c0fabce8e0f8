// Collects the ONNX nodes and constants that one of our nodes becomes.

import type { Value, ValueType } from '../graph/graph.ts';
import type { DType } from '../tensor/dtype.ts';
import { float32, sameShape, sizeOf, tensor, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { Attribute, Domain, OnnxNode } from './onnx-model.ts';

type Attributes = Readonly<Record<string, Attribute>>;
/** A value of the graph, the name of a tensor, or an optional input that is absent. */
type Operand = Value | string | undefined;

/** What the emission of one operator may use. Names stand for tensors, as in ONNX. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  /** Constants by name. Those of one node follow one another, in the same order for every shape. */
  readonly constants = new Map<string, Tensor>();
  /** Types of everything computed. */
  readonly types = new Map<string, ValueType>();
  #stem = '';
  #count = 0;

  /** Names what is emitted next after a value of the graph. */
  begin(stem: string): void {
    this.#stem = stem;
    this.#count = 0;
  }

  /** Adds an ONNX node that computes `outputs`. */
  node(
    type: string,
    inputs: readonly Operand[],
    outputs: readonly Value[],
    attributes: Attributes = {},
    domain: Domain = '',
  ): void {
    const names = outputs.map(({ name }) => name);
    for (const { name, dtype, shape } of outputs) this.types.set(name, { dtype, shape });
    this.nodes.push({
      name: names[0],
      type,
      domain,
      inputs: trimmed(inputs),
      outputs: names,
      attributes,
    });
  }

  /** Adds an ONNX node with one output that only this emission reads; returns its name. */
  temporary(
    type: string,
    inputs: readonly Operand[],
    of: ValueType,
    attributes: Attributes = {},
    domain: Domain = '',
  ): string {
    const name = `${this.#stem}~${this.#count++}`;
    this.node(type, inputs, [{ name, ...of }], attributes, domain);
    return name;
  }

  constant(value: Tensor): string {
    const name = `${this.#stem}~${this.#count++}`;
    this.constants.set(name, value);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.constant(tensor('int64', [values.length], BigInt64Array.from(values, BigInt)));
  }

  floats(shape: Shape, value: number): string {
    return this.constant(float32(shape, new Float32Array(sizeOf(shape)).fill(value)));
  }

  /** `x` in another shape; `x` itself where it has that shape. */
  reshaped(x: string, from: Shape, to: Shape, dtype: DType = 'float32'): string {
    return sameShape(from, to)
      ? x
      : this.temporary('Reshape', [x, this.ints(to)], { dtype, shape: to });
  }
}

function trimmed(inputs: readonly Operand[]): string[] {
  const names = inputs.map((input) => (typeof input === 'string' ? input : (input?.name ?? '')));
  while (names.at(-1) === '') names.pop();
  return names;
}
