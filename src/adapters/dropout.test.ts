import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { evaluate, toFloat64 } from '../graph/evaluate.ts';
import { float32 } from '../tensor/tensor.ts';
import { dropoutInputs, loraDropout } from './dropout.ts';
import type { Layer } from './layers.ts';

const [TOKENS, WIDTH, PROBABILITY] = [64, 48, 0.25];
const layers = ['a', 'b'].map((path): Layer => ({ path, kind: 'linear', weightShape: [8, WIDTH] }));

/** What two layers read of ones, in micro-batch `index`. */
function read(index: number): Float64Array[] {
  const g = new Builder('dropout');
  const x = g.input('x', 'float32', [2, TOKENS / 2, WIDTH]);
  const reads = loraDropout(g.finish(), layers, PROBABILITY);
  layers.forEach((layer) => g.output(layer.path, reads(g, x, layer)));
  const inputs = {
    x: float32(x.shape, new Float32Array(TOKENS * WIDTH).fill(1)),
    ...dropoutInputs({ layers, tokens: TOKENS }, 7, index),
  };
  const results = evaluate(
    g.finish(),
    Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toFloat64(tensor)])),
  );
  return layers.map(({ path }) => results[path].data);
}

const mean = (values: Float64Array) => values.reduce((sum, x) => sum + x, 0) / values.length;

test('each layer drops its own share of all numbers and keeps the mean', () => {
  const [a, b] = read(0);
  assert.deepEqual(
    [...new Set([...a, ...b])].sort(),
    [0, 1 / (1 - PROBABILITY)].map(Math.fround).sort(),
  );
  // 3072 draws: a standard deviation of 0.010
  for (const one of [a, b]) assert.ok(Math.abs(mean(one) - 1) < 0.05, `${mean(one)}`);
  const both = mean(a.map((x, i) => Number(x === 0 && b[i] === 0)));
  assert.ok(Math.abs(both - PROBABILITY ** 2) < 0.03, `${both}`); // independent of each other
});

test('a function of seed and micro-batch', () => {
  assert.deepEqual(read(3), read(3));
  assert.notDeepEqual(read(3), read(4));
});
