import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Value } from '../graph/graph.ts';
import { opNames, type OpName } from '../graph/ops.ts';
import { perturbations } from '../graph/testing/perturb.ts';
import {
  allCases,
  assertClose,
  bindingsOf,
  relativeError,
  type Case,
} from '../graph/testing/sample-graph.ts';
import { verify } from '../graph/verify.ts';
import { isFloat } from '../tensor/dtype.ts';
import { differentiate } from './differentiate.ts';
import { gradients } from './gradients/table.ts';
import {
  bothGradients,
  finiteDifferences,
  gradientsOf,
  lossWeights,
  withLoss,
} from './testing/check-gradients.ts';

const SEED = 30;
/**
 * Rules multiply by float32 constants (1/n of a mean, 2/√π); the differences themselves are good to
 * about 1e-10.
 */
const TOLERANCE = 1e-7;

const isDifferentiable = (op: OpName) => gradients[op] !== 'not differentiable';

/**
 * Float inputs of differentiable operators that no gradient reaches: tables, masks and a frozen
 * weight, which nobody trains.
 */
const constantInputs: Partial<Record<OpName, readonly string[]>> = {
  RotaryEmbedding: ['cos', 'sin'],
  Attention: ['mask'],
  LinearLogSumExp: ['weight'],
};

/** Float outputs that are derivatives themselves, and are not differentiated again. */
const derivatives: Partial<Record<OpName, readonly string[]>> = { LinearLogSumExp: ['derivative'] };

interface Differentiable {
  readonly title: string;
  readonly graph: Case['graph'];
  readonly bindings: ReturnType<typeof bindingsOf>;
  readonly wrt: readonly Value[];
}

/** A case with a loss; undefined where neither inputs nor outputs are real numbers. */
function prepare(sample: Case): Differentiable | undefined {
  const wrt = sample.graph.inputs.filter(
    ({ name, dtype }) => isFloat(dtype) && !constantInputs[sample.op]?.includes(name),
  );
  const real = [...sample.graph.outputs.values()].some(({ dtype }) => isFloat(dtype));
  if (!real || wrt.length === 0) return undefined;
  const graph = withLoss(sample.graph, derivatives[sample.op]);
  return {
    title: sample.title,
    graph,
    bindings: { ...bindingsOf(sample, SEED), ...lossWeights(graph, SEED) },
    wrt,
  };
}

const casesOf = (op: OpName) =>
  allCases((name) => name === op).flatMap((sample) => prepare(sample) ?? []);

for (const op of opNames.filter(isDifferentiable)) {
  test(`the gradient of ${op} equals finite differences`, () => {
    const cases = casesOf(op);
    assert.notEqual(cases.length, 0);
    for (const { title, graph, bindings, wrt } of cases) {
      verify(differentiate(graph, { loss: 'loss', wrt }));
      const { actual, expected } = bothGradients(graph, bindings, wrt);
      assertClose(actual, expected, TOLERANCE, title);
    }
  });
}

for (const op of opNames.filter((name) => !isDifferentiable(name))) {
  test(`${op} is written down as not differentiable, and says so`, () => {
    for (const { graph, wrt } of casesOf(op)) {
      assert.throws(
        () => differentiate(graph, { loss: 'loss', wrt }),
        new RegExp(`${op} in '.*' is not differentiable`),
      );
    }
  });
}

test('one input may be differentiated without the others', () => {
  for (const { title, graph, bindings, wrt } of opNames.filter(isDifferentiable).flatMap(casesOf)) {
    const all = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), bindings, wrt);
    for (const value of wrt) {
      const alone = gradientsOf(differentiate(graph, { loss: 'loss', wrt: [value] }), bindings, [
        value,
      ]);
      assertClose(alone, { [value.name]: all[value.name] }, 0, title); // the same operations
    }
  }
});

test('a derivative is not differentiated again', () => {
  for (const [op, names] of Object.entries(derivatives)) {
    const [sample] = allCases((name) => name === op);
    const graph = withLoss(
      sample.graph,
      [...sample.graph.outputs.keys()].filter((name) => !names.includes(name)),
    );
    assert.throws(
      () => differentiate(graph, { loss: 'loss', wrt: graph.inputs.slice(0, 1) }),
      new RegExp(`${op} is not differentiable`),
    );
  }
});

test('an input without a gradient is refused, not taken for a constant', () => {
  for (const [op, names] of Object.entries(constantInputs)) {
    const sample = allCases((name) => name === op).findLast(({ graph }) =>
      graph.inputs.some(({ name }) => names.includes(name)),
    );
    assert.ok(sample);
    const graph = withLoss(sample.graph, derivatives[sample.op]);
    const wrt = graph.inputs.filter(({ name }) => names.includes(name));
    assert.throws(() => differentiate(graph, { loss: 'loss', wrt }), /has no gradient/);
  }
});

/**
 * Values whose size does not matter: the indicator of a maximum, by whose sum it is divided; zeros
 * to add to.
 */
const immaterial: Partial<Record<OpName, RegExp>> = { ReduceMax: /^Cast/, Gather: /^Expand/ };

test('an error of 0.1 % in any value of any gradient is noticed', () => {
  const missed = opNames.filter(isDifferentiable).flatMap((op) => {
    const { graph, bindings, wrt } = casesOf(op)[0];
    const differentiated = differentiate(graph, { loss: 'loss', wrt });
    const own = new Set(graph.nodes);
    const backward = differentiated.nodes.filter((node) => !own.has(node));
    const expected = wrt.map(({ name }) => finiteDifferences(graph, bindings, name));
    return perturbations(differentiated, backward)
      .filter(({ graph: wrong }) => {
        const actual = gradientsOf(wrong, bindings, wrt);
        return !wrt.some(
          ({ name }, i) => relativeError(actual[name].data, expected[i].data) > TOLERANCE,
        );
      })
      .filter(({ name }) => !immaterial[op]?.test(name))
      .map(({ name }) => `${op}: ${name}`);
  });
  assert.deepEqual(missed, []);
});
