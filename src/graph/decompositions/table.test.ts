import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate } from '../evaluate.ts';
import { opNames, ops, type OpName } from '../ops.ts';
import { lowerComposites } from '../passes/lower-composites.ts';
import { replaceNodes } from '../passes/rewrite.ts';
import { perturbations } from '../testing/perturb.ts';
import {
  allCases,
  assertClose,
  bindingsOf,
  relativeError,
  type Case,
} from '../testing/sample-graph.ts';
import { verify } from '../verify.ts';
import { attentionGradInBlocks, attentionInBlocks } from './attention.ts';
import { convGradInputBy } from './products.ts';
import { decompositions } from './table.ts';

const SEED = 20;
const isComposite = (op: OpName) => ops[op].composite;
const lowered = (graph: Case['graph']) => lowerComposites(graph, new Set()).graph;

/**
 * Decompositions that hold a constant in float32 which is not exact there: 1/√2, √(2/π), 0.044715;
 * 1/n of a mean.
 */
const rounded: readonly OpName[] = ['Gelu', 'GeluGrad', 'GroupNormalizationGrad'];
/** The others differ from the definition in the order of their float64 sums alone. */
const toleranceOf = (op: OpName) => (rounded.includes(op) ? 1e-7 : 1e-13);

test('exactly the composite operators have a decomposition', () => {
  assert.deepEqual(
    opNames.filter((op) => decompositions[op] !== 'primitive'),
    opNames.filter(isComposite),
  );
});

for (const op of opNames.filter(isComposite)) {
  test(`${op}: its decomposition equals its definition`, () => {
    for (const sample of allCases((name) => name === op)) {
      const graph = lowered(sample.graph);
      verify(graph);
      assert.ok(!graph.nodes.some((node) => isComposite(node.op)), sample.title);
      const bindings = bindingsOf(sample, SEED);
      assertClose(
        evaluate(graph, bindings),
        evaluate(sample.graph, bindings),
        toleranceOf(op),
        sample.title,
      );
    }
  });
}

test('attention in blocks of query rows equals attention in one', () => {
  for (const sample of allCases((op) => op === 'Attention' || op === 'AttentionGrad')) {
    for (const elements of [1, 40]) {
      const { graph } = replaceNodes(sample.graph, (g, node) => {
        if (node.op === 'Attention')
          return attentionInBlocks(g, node.inputs, node.attributes, elements);
        return node.op === 'AttentionGrad'
          ? attentionGradInBlocks(g, node.inputs, node.attributes, elements)
          : undefined;
      });
      verify(graph);
      const bindings = bindingsOf(sample, SEED);
      assertClose(
        evaluate(graph, bindings),
        evaluate(sample.graph, bindings),
        1e-13,
        `${sample.title}, ${elements} scores a block`,
      ); // float64
    }
  }
});

test('the gradient of wide convolutions equals that of narrow ones', () => {
  for (const sample of allCases((op) => op === 'ConvGradInput')) {
    const { graph } = replaceNodes(sample.graph, (g, node) =>
      node.op === 'ConvGradInput' ? convGradInputBy(g, node.inputs, node.attributes, 1) : undefined,
    );
    verify(graph);
    const bindings = bindingsOf(sample, SEED);
    assertClose(evaluate(graph, bindings), evaluate(sample.graph, bindings), 1e-13, sample.title);
  }
});

/** Values whose size does not matter: what exponents are lessened by. */
const immaterial: Partial<Record<OpName, RegExp>> = { LinearLogSumExp: /^(ReduceMax|Max)/ };

test('an error of 0.1 % in any value of any decomposition is noticed', () => {
  const missed = opNames.filter(isComposite).flatMap((op) => {
    const sample = allCases((name) => name === op)[0];
    const bindings = bindingsOf(sample, SEED);
    const expected = evaluate(sample.graph, bindings);
    return perturbations(lowered(sample.graph))
      .filter(({ graph }) => {
        const actual = evaluate(graph, bindings);
        const caught = Object.keys(expected).some(
          (key) => relativeError(actual[key].data, expected[key].data) > toleranceOf(op),
        );
        return !caught;
      })
      .filter(({ name }) => {
        return !immaterial[op]?.test(name);
      })
      .map(({ name }) => `${op}: ${name}`);
  });
  assert.deepEqual(missed, []);
});
