import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { familyOf } from '../models/language-families.ts';
import { qwen } from '../models/public-language-models.test-util.ts';
import { stableDiffusion15 } from '../models/stable-diffusion-config.ts';
import { adaptModel } from '../train/image/adapted-model.ts';
import { adaptLanguageModel } from '../train/text/adapted-model.ts';
import { recomputed } from '../train/text/language-loss.ts';
import { flopsOf, type Flops } from './flops.test-util.ts';
import { steps } from './steps.ts';

function stepOf(
  graph: Graph,
  trained: ReadonlyMap<string, unknown>,
  segmentOf?: ReturnType<typeof recomputed>,
): Flops {
  const wrt = graph.parameters.filter(({ name }) => trained.has(name));
  return flopsOf(differentiate(graph, { loss: 'loss', wrt, segmentOf }));
}

/** As large as the numbers in steps.ts, to four digits. */
function assertCounted(
  found: Flops,
  trained: ReadonlyMap<string, { readonly data: { readonly length: number } }>,
  name: keyof typeof steps,
): void {
  const numbers = [...trained.values()].reduce((sum, { data }) => sum + data.length, 0);
  const rounded = Object.fromEntries(
    Object.entries({ ...found, trained: numbers }).map(([kind, count]) => [
      kind,
      Number(count.toPrecision(4)),
    ]),
  );
  const { products, convolutions, rest, trained: expected } = steps[name];
  assert.deepEqual(rounded, { products, convolutions, rest, trained: expected });
}

test('a step of Stable Diffusion 1.5 has as much arithmetic as its graph', () => {
  const { weights, lossGraph } = adaptModel(stableDiffusion15, {
    seed: 1,
    clip_skip: 1,
    unet_lr: 1e-4,
    text_encoder_lr: 1e-5,
    train_unet: true,
    train_text_encoder: true,
    lora_rank: 12,
    lora_alpha: 6,
    conv_rank: 0,
    conv_alpha: 1,
  });
  for (const size of [1, 4] as const) {
    const graph = lossGraph({ size, height: 64, width: 64, tokens: 77 });
    assertCounted(stepOf(graph, weights), weights, `image-${size}`);
  }
});

test("a step of Qwen2.5-0.5B's shape has as much arithmetic as its graph", () => {
  const model = familyOf(qwen).config.parse(qwen);
  const { weights, lossGraph } = adaptLanguageModel(model, {
    seed: 1,
    learning_rate: 1e-4,
    lora_dropout: 0,
    target_modules: 'all-linear',
    lora_rank: 16,
    lora_alpha: 16,
  });
  const graph = lossGraph({ rows: 1, length: 512, trained: 512, packed: false });
  assertCounted(stepOf(graph, weights, recomputed(false)), weights, 'text-1');
});

describe('the arithmetic of a graph is counted by hand', () => {
  const count = (build: (g: Builder) => Value): Flops => {
    const g = new Builder('counted');
    g.output('y', build(g));
    return flopsOf(g.finish());
  };
  const x = (g: Builder, ...shape: number[]): Value => g.input(`x${shape}`, 'float32', shape);

  test('a linear layer', () => {
    const { products } = count((g) => g.linear(x(g, 5, 7, 11), x(g, 13, 11)));
    assert.equal(products, 2 * 5 * 7 * 11 * 13);
  });

  test('a product of a batch of matrices', () => {
    const { products } = count((g) => g.matMul(x(g, 3, 5, 7), x(g, 3, 7, 11)));
    assert.equal(products, 2 * 3 * 5 * 7 * 11);
  });

  test('a convolution, and one with a stride', () => {
    const conv = (stride: number) =>
      count((g) =>
        g.conv(x(g, 2, 3, 8, 8), x(g, 5, 3, 3, 3), undefined, {
          strides: [stride, stride],
          pads: [1, 1, 1, 1],
        }),
      ).convolutions;
    assert.equal(conv(1), 2 * (2 * 5 * 8 * 8) * (3 * 3 * 3));
    assert.equal(conv(2), 2 * (2 * 5 * 4 * 4) * (3 * 3 * 3));
  });

  test('attention with fewer heads of keys than of queries, and half of it where causal', () => {
    const keys = (g: Builder, name = 'keys') => g.input(name, 'float32', [2, 20, 3 * 8]);
    const attention = (isCausal: boolean) =>
      count((g) =>
        g.attention(x(g, 2, 10, 6 * 8), keys(g), keys(g, 'values'), {
          q_num_heads: 6,
          kv_num_heads: 3,
          scale: 1,
          is_causal: isCausal,
        }),
      ).products;
    assert.equal(attention(false), 2 * (2 * 6) * 10 * 20 * (8 + 8));
    assert.equal(attention(true), attention(false) / 2);
  });

  test('what is neither moves bytes', () => {
    const { products, convolutions, rest } = count((g) => g.add(x(g, 8, 8), x(g, 8)));
    assert.deepEqual([products, convolutions, rest], [0, 0, 4 * (64 + 8 + 64)]);
  });
});
