// A sample as a graph of one node, and how results are compared.

import assert from 'node:assert/strict';
import { sameShape } from '../../tensor/tensor.ts';
import { Builder } from '../builder.ts';
import type { F64Tensor } from '../evaluate.ts';
import type { Graph, Value } from '../graph.ts';
import { opNames, ops, type OpInputs, type OpName } from '../ops.ts';
import { drawInputs, samples, type Sample } from './samples.ts';

export interface Case {
  readonly title: string;
  readonly op: OpName;
  readonly sample: Sample<OpName>;
  /** Inputs and outputs are named as in the operator table; those of `x...` are x0, x1, ... */
  readonly graph: Graph;
}

/** Every sample of every operator (of those for which `wanted` holds). */
export function allCases(wanted: (op: OpName) => boolean = () => true): Case[] {
  return opNames
    .filter(wanted)
    .flatMap((op) => samples[op].map((sample: Sample<OpName>) => caseOf(op, sample)));
}

function caseOf(op: OpName, sample: Sample<OpName>): Case {
  const g = new Builder(op);
  const inputs = sample.inputs.map(
    (input, i) => input && g.input(inputName(op, i), input.dtype, input.shape),
  );
  // a value for each of the sample's inputs
  const outputs = g.emit(op, inputs as unknown as OpInputs<Value>[OpName], sample.attributes);
  outputs.forEach((value, i) => g.output(ops[op].outputs[i], value));
  const shapes = sample.inputs
    .map((input) => (input === undefined ? '-' : `[${input.shape}]`))
    .join(' ');
  return {
    title: `${op} ${shapes} ${JSON.stringify(sample.attributes)}`,
    op,
    sample,
    graph: g.finish(),
  };
}

const inputName = (op: OpName, i: number): string =>
  ops[op].inputs[0] === 'x...' ? `x${i}` : ops[op].inputs[i].replace('?', '');

/** Random inputs of a case by name. */
export function bindingsOf({ op, sample }: Case, seed: number): Record<string, F64Tensor> {
  const tensors = drawInputs(sample.inputs, seed);
  return Object.fromEntries(
    tensors.flatMap((tensor, i) => (tensor === undefined ? [] : [[inputName(op, i), tensor]])),
  );
}

/**
 * max |actual − expected| / max |expected|, over all elements; the divisor is at least `floor`, and
 * 1 where both are 0.
 */
export function relativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  floor = 0,
): number {
  let error = 0;
  let largest = floor;
  for (let i = 0; i < expected.length; i++) {
    error = Math.max(error, Math.abs(actual[i] - expected[i]));
    if (Number.isNaN(actual[i] - expected[i])) return Infinity;
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return largest === 0 ? error : error / largest;
}

type Tensors = Readonly<Record<string, F64Tensor>>;

/**
 * Fails where a result differs from the expected one by more than `tolerance` of the largest
 * expected element (or of `floor`).
 */
export function assertClose(
  actual: Tensors,
  expected: Tensors,
  tolerance: number,
  title: string,
  floor = 0,
): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected), title);
  for (const [name, wanted] of Object.entries(expected)) {
    assert.ok(
      sameShape(actual[name].shape, wanted.shape),
      `${title}: ${name} is [${actual[name].shape}], not [${wanted.shape}]`,
    );
    const error = relativeError(actual[name].data, wanted.data, floor);
    assert.ok(
      error <= tolerance,
      `${title}: ${name} differs by ${error.toExponential(2)} of its largest element, more than ${tolerance}`,
    );
  }
}
