// Builds a graph node by node; shapes are inferred and checked as each node is added.

import { InternalError } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import { float32, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { Graph, Node, Value, ValueType } from './graph.ts';
import {
  ops,
  type AttentionAttributes,
  type ConvAttributes,
  type OpAttributes,
  type OpInputs,
  type OpName,
  type OpOutputs,
} from './ops.ts';
import { inferTypes } from './shapes.ts';

type Maybe = Value | undefined;

export class Builder {
  readonly #inputs: Value[] = [];
  readonly #parameters: Value[] = [];
  readonly #constants = new Map<Value, Tensor>();
  readonly #scalars = new Map<string, Value>();
  readonly #nodes: Node[] = [];
  readonly #outputs = new Map<string, Value>();
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();
  #scope = '';

  constructor(readonly name: string) {}

  /**
   * A builder that continues a finished graph: its values may be used, nodes are added behind its
   * own.
   */
  static from(graph: Graph, options: { keepNodes?: boolean; keepOutputs?: boolean } = {}): Builder {
    const builder = new Builder(graph.name);
    builder.#inputs.push(...graph.inputs);
    builder.#parameters.push(...graph.parameters);
    for (const [value, tensor] of graph.constants) builder.#adoptConstant(value, tensor);
    for (const value of [...graph.inputs, ...graph.parameters]) builder.#names.add(value.name);
    for (const node of graph.nodes)
      for (const value of node.outputs) builder.#names.add(value.name);
    if (options.keepNodes ?? true) builder.#nodes.push(...graph.nodes);
    if (options.keepOutputs ?? true)
      for (const [name, value] of graph.outputs) builder.#outputs.set(name, value);
    return builder;
  }

  get scope(): string {
    return this.#scope;
  }

  /** Runs `body` with `path` appended to the scope that new nodes are named for. */
  scoped<T>(path: string, body: () => T): T {
    return this.inScope(this.#scope === '' ? path : `${this.#scope}.${path}`, body);
  }

  /** Runs `body` with the scope replaced. */
  inScope<T>(scope: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#declare(name, dtype, shape);
    this.#inputs.push(value);
    return value;
  }

  /** A weight named `<scope>.<name>`, computed with in float32 whatever its file holds. */
  parameter(name: string, shape: Shape): Value {
    const value = this.#declare(
      this.#scope === '' ? name : `${this.#scope}.${name}`,
      'float32',
      shape,
    );
    this.#parameters.push(value);
    return value;
  }

  /**
   * The parameter of that full name, whatever the scope; declared where it is not there yet. For
   * weights with two uses.
   */
  sharedParameter(name: string, shape: Shape): Value {
    return (
      this.#parameters.find((value) => value.name === name) ??
      this.inScope('', () => this.parameter(name, shape))
    );
  }

  constant(tensor: Tensor, name = 'const'): Value {
    const value = this.#declare(this.#fresh(name), tensor.dtype, tensor.shape);
    this.#constants.set(value, tensor);
    return value;
  }

  /** A float32 constant of shape []; equal numbers share one value. */
  scalar(number: number): Value {
    const key = Object.is(number, -0) ? '-0' : String(number);
    const known = this.#scalars.get(key);
    if (known !== undefined) return known;
    const value = this.constant(float32([], [number]), `c_${key}`);
    this.#scalars.set(key, value);
    return value;
  }

  output(name: string, value: Value): void {
    if (this.#outputs.has(name)) throw new InternalError(`output ${name} is given twice`);
    this.#outputs.set(name, value);
  }

  /** Adds a node and returns all its outputs. */
  emit<K extends OpName>(
    op: K,
    inputs: OpInputs<Value>[K],
    attributes: OpAttributes[K],
  ): OpOutputs<Value>[K] {
    const outputs = this.#declareOutputs(op, this.#infer(op, inputs, attributes));
    // they agree by this method's signature; TypeScript does not see that an object is a NodeOf<K>
    this.#nodes.push({ op, inputs, attributes, outputs, scope: this.#scope } as Node);
    return outputs;
  }

  #declareOutputs<K extends OpName>(op: K, types: OpOutputs<ValueType>[K]): OpOutputs<Value>[K] {
    const stem = `${this.#scope === '' ? '' : `${this.#scope}/`}${op}`;
    const outputs: unknown = types.map(({ dtype, shape }, i) =>
      this.#declare(
        this.#fresh(types.length > 1 ? `${stem}.${ops[op].outputs[i]}` : stem),
        dtype,
        shape,
      ),
    );
    return outputs as OpOutputs<Value>[K]; // as many as there are types
  }

  /** Adds a node and returns its first output. */
  add1<K extends OpName>(op: K, inputs: OpInputs<Value>[K], attributes: OpAttributes[K]): Value {
    return this.emit(op, inputs, attributes)[0];
  }

  /** Adopts a finished node as it is. */
  push(node: Node): void {
    for (const value of node.outputs) this.#names.add(value.name);
    this.#nodes.push(node);
  }

  finish(): Graph {
    return {
      name: this.name,
      inputs: this.#inputs,
      parameters: this.#parameters,
      constants: this.#constants,
      nodes: this.#nodes,
      outputs: this.#outputs,
    };
  }

  // One short method an operator, so that models and gradient rules read like the formulas they
  // follow.

  neg = (x: Value) => this.add1('Neg', [x], {});
  abs = (x: Value) => this.add1('Abs', [x], {});
  sign = (x: Value) => this.add1('Sign', [x], {});
  exp = (x: Value) => this.add1('Exp', [x], {});
  log = (x: Value) => this.add1('Log', [x], {});
  sqrt = (x: Value) => this.add1('Sqrt', [x], {});
  reciprocal = (x: Value) => this.add1('Reciprocal', [x], {});
  sigmoid = (x: Value) => this.add1('Sigmoid', [x], {});
  tanh = (x: Value) => this.add1('Tanh', [x], {});
  erf = (x: Value) => this.add1('Erf', [x], {});
  sin = (x: Value) => this.add1('Sin', [x], {});
  cos = (x: Value) => this.add1('Cos', [x], {});
  cast = (x: Value, to: DType) => (x.dtype === to ? x : this.add1('Cast', [x], { to }));
  add = (a: Value, b: Value | number) => this.add1('Add', [a, this.#operand(b)], {});
  sub = (a: Value | number, b: Value | number) =>
    this.add1('Sub', [this.#operand(a), this.#operand(b)], {});
  mul = (a: Value, b: Value | number) => this.add1('Mul', [a, this.#operand(b)], {});
  div = (a: Value | number, b: Value | number) =>
    this.add1('Div', [this.#operand(a), this.#operand(b)], {});
  max = (a: Value, b: Value | number) => this.add1('Max', [a, this.#operand(b)], {});
  min = (a: Value, b: Value | number) => this.add1('Min', [a, this.#operand(b)], {});
  equal = (a: Value, b: Value | number) => this.add1('Equal', [a, this.#operand(b)], {});
  less = (a: Value, b: Value | number) => this.add1('Less', [a, this.#operand(b)], {});
  greater = (a: Value, b: Value | number) => this.add1('Greater', [a, this.#operand(b)], {});
  where = (condition: Value, a: Value | number, b: Value | number) =>
    this.add1('Where', [condition, this.#operand(a), this.#operand(b)], {});
  reshape = (x: Value, shape: Shape) => this.add1('Reshape', [x], { shape });
  expand = (x: Value, shape: Shape) => this.add1('Expand', [x], { shape });
  transpose = (x: Value, perm: readonly number[]) => this.add1('Transpose', [x], { perm });
  concat = (xs: readonly Value[], axis: number) => this.add1('Concat', xs, { axis });
  /** Elements start ≤ i < end of one axis. */
  slice = (x: Value, axis: number, start: number, end: number, step = 1) =>
    this.add1('Slice', [x], { axes: [axis], starts: [start], ends: [end], steps: [step] });
  pad = (x: Value, pads: readonly number[]) => this.add1('Pad', [x], { pads });
  gather = (data: Value, indices: Value, axis = 0) =>
    this.add1('Gather', [data, indices], { axis });
  scatterND = (data: Value, indices: Value, updates: Value) =>
    this.add1('ScatterND', [data, indices, updates], {});
  resize = (x: Value, scale: number) => this.add1('Resize', [x], { scale });
  reduceSum = (x: Value, axes: readonly number[], keepdims = false) =>
    this.add1('ReduceSum', [x], { axes: sorted(x, axes), keepdims });
  reduceMean = (x: Value, axes: readonly number[], keepdims = false) =>
    this.add1('ReduceMean', [x], { axes: sorted(x, axes), keepdims });
  reduceMax = (x: Value, axes: readonly number[], keepdims = false) =>
    this.add1('ReduceMax', [x], { axes: sorted(x, axes), keepdims });
  softmax = (x: Value, axis = -1) =>
    this.add1('Softmax', [x], { axis: axis < 0 ? axis + x.shape.length : axis });
  logSoftmax = (x: Value, axis = -1) =>
    this.add1('LogSoftmax', [x], { axis: axis < 0 ? axis + x.shape.length : axis });
  matMul = (a: Value, b: Value) => this.add1('MatMul', [a, b], {});
  fusedMatMul = (a: Value, b: Value, { transA = false, transB = false, alpha = 1 }) =>
    this.add1('FusedMatMul', [a, b], { transA, transB, alpha });
  gemm = (a: Value, b: Value, { transA = false, transB = false } = {}, c?: Value) =>
    this.add1('Gemm', [a, b, c], { transA, transB });
  conv = (x: Value, weight: Value, bias: Maybe, attributes: ConvAttributes) =>
    this.add1('Conv', [x, weight, bias], attributes);
  linear = (x: Value, weight: Value, bias?: Value) => this.add1('Linear', [x, weight, bias], {});
  /** [y, dy/dx] */
  linearLogSumExp = (x: Value, weight: Value, attributes: OpAttributes['LinearLogSumExp']) =>
    this.emit('LinearLogSumExp', [x, weight], attributes);
  gelu = (x: Value, approximate: 'none' | 'tanh' = 'none') =>
    this.add1('Gelu', [x], { approximate });
  swish = (x: Value, alpha = 1) => this.add1('Swish', [x], { alpha });
  layerNorm = (x: Value, scale: Value, bias: Value, epsilon: number) =>
    this.add1('LayerNormalization', [x, scale, bias], { epsilon });
  groupNorm = (x: Value, scale: Value, bias: Value, num_groups: number, epsilon: number) =>
    this.add1('GroupNormalization', [x, scale, bias], { num_groups, epsilon });
  rmsNorm = (x: Value, scale: Value, epsilon: number) =>
    this.add1('RMSNormalization', [x, scale], { epsilon });
  attention = (q: Value, k: Value, v: Value, attributes: AttentionAttributes, mask?: Value) =>
    this.add1('Attention', [q, k, v, mask], attributes);

  #operand(x: Value | number): Value {
    return typeof x === 'number' ? this.scalar(x) : x;
  }

  #infer<K extends OpName>(op: K, inputs: OpInputs<Value>[K], attributes: OpAttributes[K]) {
    try {
      return inferTypes(op, inputs, attributes);
    } catch (cause) {
      throw new InternalError(`${this.name}: ${op} in '${this.#scope}'`, { cause });
    }
  }

  #declare(name: string, dtype: DType, shape: Shape): Value {
    if (this.#names.has(name)) throw new InternalError(`${this.name}: the name ${name} is taken`);
    this.#names.add(name);
    return { name, dtype, shape };
  }

  #adoptConstant(value: Value, tensor: Tensor): void {
    this.#names.add(value.name);
    this.#constants.set(value, tensor);
    if (tensor.dtype === 'float32' && tensor.shape.length === 0) {
      const [number] = tensor.data;
      this.#scalars.set(Object.is(number, -0) ? '-0' : String(number), value);
    }
  }

  #fresh(stem: string): string {
    if (!this.#names.has(stem)) return stem;
    let count = this.#counts.get(stem) ?? 0;
    do count++;
    while (this.#names.has(`${stem}_${count}`));
    this.#counts.set(stem, count);
    return `${stem}_${count}`;
  }
}

function sorted(x: Value, axes: readonly number[]): number[] {
  return axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis)).sort((a, b) => a - b);
}
