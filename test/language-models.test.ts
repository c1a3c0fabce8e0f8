// Tiny language models of each family against transformers (reference/language_models.py, computed
// in float32): configurations, names, logits by the float64 evaluator, and gradients by ONNX
// Runtime.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { differentiate } from '../src/autodiff/differentiate.ts';
import { Builder } from '../src/graph/builder.ts';
import { evaluate, toFloat64, type F64Tensor } from '../src/graph/evaluate.ts';
import type { Graph, Value } from '../src/graph/graph.ts';
import {
  decoder,
  languageModelParameters,
  logits,
  type DecoderInputs,
} from '../src/models/decoder.ts';
import { hashedUniforms, hashedWeight } from '../src/models/hashed-weights.test-util.ts';
import type { LanguageModelConfig } from '../src/models/language-config.ts';
import { languageFamilies } from '../src/models/language-families.ts';
import { float32, int32, type Tensor } from '../src/tensor/tensor.ts';
import { testOnEach, testedBackends } from '../src/runtime/testing/backends.ts';

interface Case {
  readonly options: { readonly model_type: string };
  readonly config: { readonly model_type: string };
  readonly parameters: Readonly<Record<string, number[]>>;
  readonly logits: readonly number[];
  readonly gradients?: Readonly<Record<string, readonly number[]>>;
}

const golden: { batch: number; length: number; cases: Record<string, Case> } = JSON.parse(
  readFileSync(new URL('../reference/golden/language_models.json', import.meta.url), 'utf8'),
);
const backends = await testedBackends();
const shape = [golden.batch, golden.length];

/**
 * Largest error as a part of the largest element. Measured: logits 4e-7 to 1.6e-6 (transformers
 * computes in float32); gradients, float32 on both sides, 2e-7 to 1.8e-6.
 */
const tolerance = { logits: 4e-6, gradients: 5e-6 };

const configOf = ({ options }: Case): LanguageModelConfig =>
  languageFamilies[options.model_type].config.parse(options);
const tokenIds = (vocabulary: number) =>
  int32(
    shape,
    hashedUniforms('ids', shape[0] * shape[1]).map((u) => Math.floor(((u + 1) / 2) * vocabulary)),
  );
const weightsOf = ({ parameters }: Graph) =>
  new Map(
    parameters.map(({ name, shape }) => [name, float32(shape, hashedWeight(name, shape))] as const),
  );

/** What `outputs` makes of a new graph, with its weights, by the evaluator. */
function evaluated(
  build: (g: Builder) => Value,
  inputs: Readonly<Record<string, Tensor>>,
): F64Tensor {
  const g = new Builder('test');
  g.output('y', build(g));
  const graph = g.finish();
  return evaluate(
    graph,
    Object.fromEntries(
      [...weightsOf(graph), ...Object.entries(inputs)].map(([name, tensor]) => [
        name,
        toFloat64(tensor),
      ]),
    ),
  ).y;
}

function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(actual.length, expected.length);
  const [largest, worst] = Array.from(expected).reduce(
    ([a, b], x, i) => [Math.max(a, Math.abs(x)), Math.max(b, Math.abs(actual[i] - x))],
    [0, 0],
  );
  return worst / largest;
}

const idsOf = (g: Builder) => g.input('ids', 'int32', shape);
const logitsOf = (g: Builder, config: LanguageModelConfig, inputs: DecoderInputs) =>
  logits(g, config, decoder(g, config, inputs));

for (const [name, stored] of Object.entries(golden.cases)) {
  test(name, (t) => {
    const config = configOf(stored);
    assert.deepEqual(
      languageFamilies[stored.config.model_type].config.parse(stored.config),
      config,
      'config.json as transformers 5 writes it',
    );
    assert.deepEqual(Object.fromEntries(languageModelParameters(config)), stored.parameters);
    const error = errorOf(
      evaluated((g) => logitsOf(g, config, { ids: idsOf(g) }), { ids: tokenIds(config.vocab_size) })
        .data,
      stored.logits,
    );
    t.diagnostic(error.toExponential(1));
    assert.ok(error <= tolerance.logits, `${error}`);
  });
}

/** A configuration without one of the things that set the families apart. */
const without: Record<string, (config: LanguageModelConfig) => LanguageModelConfig> = {
  'rope scaling': (c) => ({
    ...c,
    layers: c.layers.map((layer) => ({
      ...layer,
      rope: { ...layer.rope, scaling: { rope_type: 'default' } },
    })),
  }),
  'a theta for each kind of layer': (c) => ({
    ...c,
    layers: c.layers.map((layer) => ({ ...layer, rope: c.layers[0].rope })),
  }),
  window: (c) => ({ ...c, layers: c.layers.map((layer) => ({ ...layer, window: undefined })) }),
  'capped scores': (c) => ({
    ...c,
    layer: { ...c.layer, attention: { ...c.layer.attention, softcap: undefined } },
  }),
  'capped logits': (c) => ({ ...c, final_logit_softcapping: undefined }),
  'a scale of the scores': (c) => ({
    ...c,
    layer: {
      ...c.layer,
      attention: { ...c.layer.attention, scale: c.layer.attention.headDim ** -0.5 },
    },
  }),
  'scaled embeddings': (c) => ({ ...c, embedding_scale: 1 }),
  'an offset of norm weights': (c) => ({
    ...c,
    layer: { ...c.layer, norm: { ...c.layer.norm, offset: 0 } },
  }),
  'a norm of heads': (c) => ({
    ...c,
    layer: { ...c.layer, attention: { ...c.layer.attention, qkNorm: undefined } },
  }),
  'an activation': (c) => ({
    ...c,
    layer: { ...c.layer, mlp: { ...c.layer.mlp, activation: 'silu' } },
  }),
};

test('each difference is noticed', () => {
  const noticed = new Set<string>();
  for (const [name, stored] of Object.entries(golden.cases)) {
    const config = configOf(stored);
    for (const [difference, change] of Object.entries(without)) {
      const changed = change(config);
      if (
        JSON.stringify(changed) === JSON.stringify(config) ||
        name === 'llama, rope dynamic, short' /* not stretched yet */
      )
        continue;
      const error = errorOf(
        evaluated((g) => logitsOf(g, changed, { ids: idsOf(g) }), {
          ids: tokenIds(config.vocab_size),
        }).data,
        stored.logits,
      );
      assert.ok(error > 1e3 * tolerance.logits, `${name} without ${difference}: ${error}`);
      noticed.add(difference);
    }
  }
  assert.deepEqual([...noticed].sort(), Object.keys(without).sort());
});

const withGradients = Object.entries(golden.cases).flatMap(([name, stored]) =>
  stored.gradients === undefined ? [] : [{ name, stored, gradients: stored.gradients }],
);

/** With biases and GELU, with a window, with two thetas: layers that no gradients are kept of. */
const otherLayers = ['llama, tied, biases', 'mistral, window', 'gemma3_text'];

testOnEach(backends, 'logits of other kinds of layers', async ({ runtime, slack }, t) => {
  for (const name of otherLayers) {
    const stored = golden.cases[name];
    const config = configOf(stored);
    const g = new Builder(name);
    g.output('y', logitsOf(g, config, { ids: idsOf(g) }));
    const graph = g.finish();
    const program = await runtime.compile(graph, { weights: weightsOf(graph) });
    const { y } = await program.run({ ids: tokenIds(config.vocab_size) });
    await program.release();
    const error = errorOf(Array.from(y.data, Number), stored.logits);
    t.diagnostic(`${name}: ${error.toExponential(1)}`);
    assert.ok(error <= slack * tolerance.logits, `${name}: ${error}`);
  }
});

testOnEach(backends, 'gradients of weights that adapters stand beside', async (backend, t) => {
  for (const { name, stored, gradients } of withGradients) {
    const config = configOf(stored);
    const g = new Builder(name);
    const result = logitsOf(g, config, { ids: idsOf(g) });
    g.output(
      'loss',
      g.reduceSum(
        g.mul(
          result,
          g.constant(float32(result.shape, hashedUniforms('loss', stored.logits.length))),
        ),
        [0, 1, 2],
      ),
    );
    const graph = g.finish();
    const wrt = Object.keys(gradients).map(
      (key) => graph.parameters.find((value) => value.name === key) ?? assert.fail(key),
    );
    const program = await backend.runtime.compile(differentiate(graph, { loss: 'loss', wrt }), {
      weights: weightsOf(graph),
    });
    const results = await program.run({ ids: tokenIds(config.vocab_size) });
    await program.release();
    for (const [key, expected] of Object.entries(gradients)) {
      const error = errorOf(Array.from(results[`grad:${key}`].data, Number), expected);
      t.diagnostic(`${name}, ${key}: ${error.toExponential(1)}`);
      assert.ok(error <= backend.slack * tolerance.gradients, `${name}, ${key}: ${error}`);
    }
  }
});

/** Two texts of 4 and 6 tokens in one row: positions begin anew, and neither sees the other. */
test('packed texts have the logits that they have alone', () => {
  for (const name of ['gemma2', 'gemma3_text', 'phi3, window, partial rotary']) {
    const config = configOf(golden.cases[name]);
    const ids = Array.from(tokenIds(config.vocab_size).data).slice(0, 10);
    const alone = [ids.slice(0, 4), ids.slice(4)].map((text) =>
      evaluated(
        (g) => logitsOf(g, config, { ids: g.input('ids', 'int32', [1, text.length]), length: 10 }),
        { ids: int32([1, text.length], text) },
      ),
    );
    const mask = Array.from({ length: 100 }, (_, i) =>
      i % 10 < 4 === Math.floor(i / 10) < 4 ? 0 : -1e9,
    );
    const packed = evaluated(
      (g) =>
        logitsOf(g, config, {
          ids: g.input('ids', 'int32', [1, 10]),
          positions: g.input('positions', 'int32', [1, 10]),
          mask: g.input('mask', 'float32', [1, 1, 10, 10]),
        }),
      {
        ids: int32([1, 10], ids),
        positions: int32([1, 10], [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]),
        mask: float32([1, 1, 10, 10], mask),
      },
    );
    assert.ok(
      errorOf(
        packed.data,
        alone.flatMap(({ data }) => [...data]),
      ) < 1e-12,
      name,
    ); // float64
  }
});

/** The tenth token with the nine before it kept: one row of the attention of ten. */
test('a token behind kept keys and values has the logits that it has in the whole text', () => {
  const config = configOf(golden.cases.gemma2);
  const ids = Array.from(tokenIds(config.vocab_size).data).slice(0, 10);
  const kept: Record<string, F64Tensor> = {};
  const [whole, last] = [false, true].map((isLast) => {
    const g = new Builder('cached');
    const [from, count] = isLast ? [9, 1] : [0, 10];
    const extend = (layer: number, ...news: [Value, Value]) => {
      const names = [`k${layer}`, `v${layer}`];
      if (!isLast) names.forEach((name, i) => g.output(name, g.slice(news[i], 1, 0, 9)));
      return isLast
        ? ([0, 1].map((i) =>
            g.concat([g.input(names[i], 'float32', [1, 9, news[i].shape[2]]), news[i]], 1),
          ) as [Value, Value])
        : news;
    };
    const hidden = (window = Infinity) =>
      Array.from({ length: count * 10 }, (_, i) => [from + Math.floor(i / 10), i % 10]).map(
        ([row, column]) => (column > row || column <= row - window ? -1e9 : 0),
      );
    const mask = (window?: number) => g.constant(float32([count, 10], hidden(window)));
    const inputs = {
      ids: g.input('ids', 'int32', [1, count]),
      positions: g.input('positions', 'int32', [1, count]),
      length: 10,
      cache: { extend, mask },
    };
    g.output('y', logitsOf(g, config, inputs));
    const graph = g.finish();
    const given = {
      ids: int32([1, count], ids.slice(from)),
      positions: int32([1, count], ids.map((_, i) => i).slice(from)),
    };
    const bound = Object.fromEntries(
      [...weightsOf(graph), ...Object.entries(given)].map(([name, tensor]) => [
        name,
        toFloat64(tensor),
      ]),
    );
    const { y, ...rest } = evaluate(graph, { ...bound, ...kept });
    Object.assign(kept, rest);
    return y;
  });
  assert.ok(errorOf(last.data, whole.data.slice(-config.vocab_size)) < 1e-12); // float64
});
