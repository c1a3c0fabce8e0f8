import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { plainModules } from '../adapter-files/adapter-file.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import {
  singleFileTensors,
  withFolder,
  writeFolder,
} from '../checkpoints/small-model.test-util.ts';
import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import { toFloat32 } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, zeros, type Shape, type Tensor } from '../tensor/tensor.ts';
import { extractAdapter } from './extract.ts';
import { mergeAdapters } from './merge-adapters.ts';
import { mergeIntoBase } from './merge-into-base.ts';
import { resizeAdapter } from './resize.ts';

interface Layer {
  readonly rows: number;
  readonly columns: number;
  readonly kernel: readonly number[];
  readonly adapters: readonly { readonly down: number[]; readonly up: number[] }[];
  readonly sum: number[];
  readonly sum_rank_2: number[];
  readonly sum_share: number;
  readonly resized_rank_2: number[];
  readonly resized_share: number;
  readonly rank_for_80: number;
}
interface Golden {
  readonly adapters: readonly { readonly rank: number; readonly alpha: number }[];
  readonly weights: number[];
  readonly layers: Readonly<Record<string, Layer>>;
}
const golden = JSON.parse(readFileSync('reference/golden/adapter_tools.json', 'utf8')) as Golden;
const layers = new Map(Object.entries(golden.layers));

/** The two adapters of the golden numbers, as files of kohya. */
const withAdapters = (use: (folder: string, paths: readonly string[]) => void): void =>
  withFolder((folder) => {
    const paths = golden.adapters.map(({ rank, alpha }, i) => {
      const tensors = new Map<string, Tensor>();
      for (const [name, { rows, columns, kernel, adapters }] of layers) {
        const ones = kernel.map(() => 1);
        tensors.set(
          `${name}.lora_down.weight`,
          float32([rank, columns, ...kernel], adapters[i].down),
        );
        tensors.set(`${name}.lora_up.weight`, float32([rows, rank, ...ones], adapters[i].up));
        tensors.set(`${name}.alpha`, float32([], [alpha]));
      }
      const path = join(folder, `${i}.safetensors`);
      writeFileSync(path, serialize(tensors, { ss_output_name: `a${i}` }));
      return path;
    });
    use(folder, paths);
  });

/** s · B A of each layer of a file, by its name there. */
function deltasOf(path: string): Map<string, Float64Array> {
  const file = openAdapter(path);
  const loaded = plainModules(path, file.modules);
  return new Map(
    file.modules.map(({ name }, m) => {
      const { down, up, alpha } = loaded[m];
      const [rank, columns] = [down.shape[0], sizeOf(down.shape.slice(1))];
      const [a, b] = [toFloat32(down).data, toFloat32(up).data];
      const delta = Float64Array.from({ length: up.shape[0] * columns }, (_, i) => {
        let sum = 0;
        for (let r = 0; r < rank; r++)
          sum += b[Math.floor(i / columns) * rank + r] * a[r * columns + (i % columns)];
        return (sum * alpha) / rank;
      });
      return [name, delta];
    }),
  );
}

const normOf = (values: ArrayLike<number>) =>
  Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0));

/** As a share of the norm: factors are rounded to float32, 2^-24 each. */
function assertNear(
  found: Map<string, Float64Array>,
  wanted: (layer: Layer) => number[],
  name: string,
): void {
  assert.equal(found.size, layers.size);
  for (const [key, layer] of layers) {
    const other = wanted(layer);
    const off = normOf(other.map((value, i) => value - (found.get(key)?.[i] ?? NaN)));
    assert.ok(off < 3e-7 * normOf(other), `${name} ${key} ${off}`);
  }
}

test('the sum of two adapters is exact: the ranks add up', () => {
  withAdapters((folder, paths) => {
    const output = join(folder, 'sum.safetensors');
    const { modules, layers: reduced } = mergeAdapters({ paths, weights: golden.weights, output });
    assert.deepEqual([modules, reduced.length], [layers.size, 0]);
    assertNear(deltasOf(output), ({ sum }) => sum, 'sum');
    assert.ok(openAdapter(output).modules.every(({ rank }) => rank === 7));
    assert.match(openAdapter(output).metadata['modelspec.merged_from'], /0\.safetensors/);
  });
});

test('adapters of one scale at one weight are put together without rounding', () => {
  withAdapters((folder, [path]) => {
    const output = join(folder, 'twice.safetensors');
    mergeAdapters({ paths: [path, path], weights: [0.5, 0.5], output });
    const [before, after] = [path, output].map((one) => deltasOf(one));
    // sums of float64 in another order
    for (const [name, delta] of before)
      delta.forEach((value, i) =>
        assert.ok(Math.abs(value - (after.get(name)?.[i] ?? NaN)) < 1e-14 * normOf(delta), name),
      );
    const [{ alpha, rank }] = openAdapter(output).modules;
    assert.deepEqual([alpha, rank], [2, 8]);
  });
});

test('to a rank it is the best of that rank, as kohya computes it', () => {
  withAdapters((folder, paths) => {
    const output = join(folder, 'sum2.safetensors');
    const merged = mergeAdapters({ paths, weights: golden.weights, rank: 2, output });
    assertNear(deltasOf(output), ({ sum_rank_2 }) => sum_rank_2, 'rank 2');
    for (const { name, share, to } of merged.layers) {
      assert.equal(to, 2);
      assert.ok(Math.abs(share - (layers.get(name)?.sum_share ?? NaN)) < 1e-7, name);
    }
  });
});

test('resize: the largest singular values, the scale as it was; by rank and by share', () => {
  withAdapters((folder, [path]) => {
    const output = join(folder, 'small.safetensors');
    const resized = resizeAdapter({ path, kept: { rank: 2 }, output });
    assertNear(deltasOf(output), ({ resized_rank_2 }) => resized_rank_2, 'resize');
    for (const { name, share } of resized.layers)
      assert.ok(Math.abs(share - (layers.get(name)?.resized_share ?? NaN)) < 1e-9, name);
    for (const { scale, rank } of openAdapter(output).modules)
      assert.deepEqual([scale, rank], [0.5, 2]);
    const shared = join(folder, 'share.safetensors');
    for (const { name, to } of resizeAdapter({ path, kept: { share: 0.8 }, output: shared }).layers)
      assert.equal(to, layers.get(name)?.rank_for_80, name);
  });
});

test('a layer of a lower rank stays as it is, bit for bit', () => {
  withAdapters((folder, [path]) => {
    const output = join(folder, 'same.safetensors');
    resizeAdapter({ path, kept: { rank: 4 }, output });
    const [before, after] = [path, output].map((one) => openSafetensors(one).tensors);
    assert.equal(after.size, before.size);
    const { modules } = openAdapter(output);
    assert.deepEqual(plainModules(output, modules), plainModules(path, openAdapter(path).modules));
  });
});

test('a layer that adds nothing can be resized and merged', () => {
  withFolder((folder) => {
    const name = 'lora_unet_mid_block_attentions_0_proj_in';
    const path = join(folder, 'zero.safetensors');
    const down = float32([3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]);
    const tensors = {
      [`${name}.lora_down.weight`]: down,
      [`${name}.lora_up.weight`]: zeros('float32', [5, 3]),
    };
    writeFileSync(path, serialize(new Map(Object.entries(tensors))));
    const output = join(folder, 'small.safetensors');
    const [{ share, to }] = resizeAdapter({ path, kept: { rank: 1 }, output }).layers;
    assert.deepEqual([share, to], [1, 1]);
    assert.deepEqual(deltasOf(output).get(name), new Float64Array(20));
  });
});

test('what does not belong together is refused, and a file that is there stays', () => {
  withAdapters((folder, [path, other]) => {
    const output = join(folder, 'x.safetensors');
    const merge = (more: object) => () => mergeAdapters({ paths: [path, other], output, ...more });
    assert.throws(merge({ weights: [1] }), /has 1 for 2 adapters/);
    assert.throws(merge({ weights: [1, 0] }), /is 0, with which it adds nothing/);
    assert.throws(merge({ output: path }), /already a file of that name/);
    assert.throws(merge({ paths: [path, 'reference/golden/peft_adapter'] }), /language model/);
    const name = 'lora_unet_mid_block_attentions_0_proj_in';
    const wide = join(folder, 'wide.safetensors');
    const tensors = {
      [`${name}.lora_down.weight`]: zeros('float32', [2, 99]),
      [`${name}.lora_up.weight`]: zeros('float32', [8, 2]),
    };
    writeFileSync(wide, serialize(new Map(Object.entries(tensors))));
    assert.throws(merge({ paths: [path, wide] }), /layers of different sizes: 8×7×1×1 and 8×99/);
    for (const rank of [0, 1.5, NaN])
      assert.throws(
        () => resizeAdapter({ path, kept: { rank }, output }),
        /a whole number from 1 on/,
      );
    assert.throws(() => resizeAdapter({ path, kept: { share: 95 }, output }), /a share above 0/);
  });
});

// ---- into a base, and out of it

const layer = 'unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q';

/** An adapter of one linear layer and one convolution of a small model. */
function adapterOf(folder: string, base: string): string {
  const { weights } = loadStableDiffusion(base);
  const tensors = new Map<string, Tensor>();
  const add = (path: string, rank: number) => {
    const { shape } = weights.get(`${path}.weight`) ?? assert.fail(path);
    const [rows, ...rest] = shape;
    const name = `lora_${path.replace('text_encoder', 'te').replaceAll('.', '_')}`;
    const filled = (own: Shape, seed: number) =>
      float32(
        own,
        Float32Array.from({ length: sizeOf(own) }, (_, i) => Math.sin(i * 7.3 + seed)),
      );
    tensors.set(`${name}.lora_down.weight`, filled([rank, ...rest], 1));
    tensors.set(`${name}.lora_up.weight`, filled([rows, rank, ...rest.slice(1).map(() => 1)], 2));
    tensors.set(`${name}.alpha`, float32([], [1]));
  };
  add(layer, 2);
  add('unet.mid_block.resnets.0.conv1', 1);
  add('text_encoder.text_model.encoder.layers.0.mlp.fc1', 2);
  const path = join(folder, 'adapter.safetensors');
  writeFileSync(path, serialize(tensors));
  return path;
}

for (const layout of ['single-file', 'diffusers'] as const)
  test(`${layout}: merged into a base, extracted at full rank, merged again: the tuned model`, () => {
    withFolder((folder) => {
      const base = join(folder, layout === 'diffusers' ? 'base' : 'base.safetensors');
      if (layout === 'diffusers') writeFolder(base);
      else writeFileSync(base, serialize(singleFileTensors()));
      const at = (name: string) =>
        join(folder, layout === 'diffusers' ? name : `${name}.safetensors`);
      const adapter = adapterOf(folder, base);
      const merged = mergeIntoBase({
        paths: [adapter],
        base,
        output: at('tuned'),
        dtype: 'float32',
      });
      assert.deepEqual([merged.layers, merged.lostChanges], [3, 0]);
      const extracted = join(folder, 'extracted.safetensors');
      const { modules } = extractAdapter({
        base,
        tuned: at('tuned'),
        kept: { rank: 9999 },
        output: extracted,
      });
      assert.equal(modules, 3);
      mergeIntoBase({ paths: [extracted], base, output: at('again'), dtype: 'float32' });
      const [tuned, again] = ['tuned', 'again'].map(
        (name) => loadStableDiffusion(at(name)).weights,
      );
      for (const [name, tensor] of tuned) {
        const [wanted, found] = [tensor, again.get(name) ?? assert.fail(name)].map(readFloat32);
        const largest = wanted.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        found.data.forEach((value, i) =>
          assert.ok(Math.abs(value - wanted.data[i]) <= 4e-7 * largest, name),
        );
      }
      // rank 2 at scale 1/2, and W + s B A in between
      const low = join(folder, 'low.safetensors');
      const kept = { share: 0.9999 };
      const ranks = extractAdapter({ base, tuned: at('tuned'), kept, output: low }).layers;
      assert.deepEqual(ranks.map(({ to }) => to).sort(), [1, 2, 2]);
    });
  });

test('a base of another architecture is refused, with nothing written', () => {
  withFolder((folder) => {
    const base = join(folder, 'base.safetensors');
    writeFileSync(base, serialize(singleFileTensors()));
    const name = 'lora_unet_down_blocks_9_attentions_0_proj_in';
    const path = join(folder, 'x.safetensors');
    const tensors = {
      [`${name}.lora_down.weight`]: zeros('float32', [2, 4]),
      [`${name}.lora_up.weight`]: zeros('float32', [4, 2]),
    };
    writeFileSync(path, serialize(new Map(Object.entries(tensors))));
    const output = join(folder, 'out.safetensors');
    assert.throws(() => mergeIntoBase({ paths: [path], base, output }), /has no such layer/);
    assert.throws(() => loadStableDiffusion(output), /no such file/);
    assert.throws(
      () => extractAdapter({ base, tuned: base, kept: { rank: 2 }, output }),
      /the same as the base/,
    );
  });
});

test('adapters of Stable Diffusion 1.x and XL without a layer in common were added up', () => {
  withFolder((folder) => {
    const written = (layer: string, rows: number, columns: number): string => {
      const path = join(folder, `${layer}.safetensors`);
      const tensors = {
        [`lora_${layer}.lora_down.weight`]: zeros('float32', [2, columns]),
        [`lora_${layer}.lora_up.weight`]: zeros('float32', [rows, 2]),
      };
      writeFileSync(path, serialize(new Map(Object.entries(tensors))));
      return path;
    };
    const cross = 'transformer_blocks_0_attn2_to_k';
    const one = written(`unet_down_blocks_0_attentions_0_${cross}`, 8, 768);
    const two = written(`unet_up_blocks_3_attentions_0_${cross}`, 8, 1024);
    const small = written(`unet_up_blocks_2_attentions_0_${cross}`, 8, 32);
    const xl = written(`unet_input_blocks_4_1_${cross}`, 8, 2048);
    const second = written('te2_text_model_encoder_layers_0_mlp_fc1', 8, 8);
    const flux = written('unet_double_blocks_0_img_attn_proj', 8, 8);
    const text = written('te_text_model_encoder_layers_0_mlp_fc1', 8, 8);
    const output = join(folder, 'out.safetensors');
    const merge =
      (...paths: string[]) =>
      () =>
        mergeAdapters({ paths, output, force: true });
    for (const other of [two, small, xl, second, flux]) {
      assert.throws(merge(one, other), /: it is for .*, and .* for Stable Diffusion 1\.x/);
      assert.throws(merge(other, text, one), /it is for Stable Diffusion 1\.x, and/);
    }
    merge(one, text)();
    merge(xl, second)();
  });
});
