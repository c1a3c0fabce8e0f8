// PyTorch's values of the composite operators (reference/composites.py) as graphs and tensors.

import { readFileSync } from 'node:fs';
import { Builder } from '../../graph/builder.ts';
import type { F64Tensor } from '../../graph/evaluate.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { f64 } from '../../graph/kernels/f64.ts';
import { opNames, ops, type OpAttributes, type OpName } from '../../graph/ops.ts';
import { withLoss } from './check-gradients.ts';

interface Stored {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface StoredCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: OpAttributes[OpName];
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly weight: Stored;
  readonly output: Stored;
  readonly gradients: Readonly<Record<string, Stored>>;
}

export interface GoldenCase {
  readonly title: string;
  /** With outputs `y` and `loss`. */
  readonly graph: Graph;
  readonly bindings: Readonly<Record<string, F64Tensor>>;
  readonly y: F64Tensor;
  readonly wrt: readonly Value[];
  /** By the name of the input. */
  readonly gradients: Readonly<Record<string, F64Tensor>>;
}

export function goldenCases(): GoldenCase[] {
  const file = new URL('../../../reference/golden/composites.json', import.meta.url);
  const { cases }: { cases: StoredCase[] } = JSON.parse(readFileSync(file, 'utf8'));
  return cases.map(goldenCase);
}

function goldenCase(stored: StoredCase): GoldenCase {
  const g = new Builder(stored.name);
  const inputs = mapValues(stored.inputs, ({ shape }, name) => g.input(name, 'float32', shape));
  g.output('y', build(g, stored, inputs));
  const graph = withLoss(g.finish());
  return {
    title: `${stored.op}, ${stored.name}`,
    graph,
    bindings: { ...mapValues(stored.inputs, tensorOf), 'weight:y': tensorOf(stored.weight) },
    y: tensorOf(stored.output),
    wrt: Object.keys(stored.gradients).map((name) => inputs[name]),
    gradients: mapValues(stored.gradients, tensorOf),
  };
}

function build(
  g: Builder,
  { op, attributes }: StoredCase,
  inputs: Readonly<Record<string, Value>>,
): Value {
  if (op === 'GEGLU') return geglu(g, inputs);
  const known = opNames.find((name) => name === op);
  if (known === undefined) throw new Error(`no operator ${op}`);
  return g.add1(
    known,
    ops[known].inputs.map((name) => inputs[name.replace('?', '')]),
    attributes,
  );
}

/** hidden ∘ gelu(gate), where [hidden, gate] = x Wᵀ + b (Shazeer, arXiv 2002.05202). */
function geglu(g: Builder, { x, weight, bias }: Readonly<Record<string, Value>>): Value {
  const both = g.linear(x, weight, bias);
  const axis = both.shape.length - 1;
  const half = both.shape[axis] / 2;
  return g.mul(g.slice(both, axis, 0, half), g.gelu(g.slice(both, axis, half, 2 * half)));
}

const tensorOf = ({ shape, data }: Stored): F64Tensor => f64(shape, Float64Array.from(data));

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  f: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));
}
