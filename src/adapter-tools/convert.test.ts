import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { plainModules } from '../adapter-files/adapter-file.ts';
import { writeKohyaLora } from '../adapter-files/kohya.ts';
import { picturePath, kohyaXlName } from '../adapter-files/picture-names.ts';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { UserError } from '../errors.ts';
import { toFloat32, type FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, type Shape, type Tensor } from '../tensor/tensor.ts';
import { convertAdapter, type ConvertTarget } from './convert.ts';

/** Numbers of many sizes. */
const values = (shape: Shape, seed: number): Tensor<'float32'> =>
  float32(
    shape,
    Float32Array.from(
      { length: sizeOf(shape) },
      (_, i) => Math.sin(i * 12.9898 + seed) * 2 ** -(i % 12),
    ),
  );

/** Linear layers and convolutions with alphas that share no simple ratio with their ranks. */
const layers: readonly (readonly [path: string, rank: number, alpha: number, kernel: Shape])[] = [
  ['unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0', 4, 1, []],
  ['unet.mid_block.attentions.0.proj_in', 3, 5, [1, 1]],
  ['unet.mid_block.resnets.0.conv1', 4, 3, [3, 3]],
  ['unet.up_blocks.1.upsamplers.0.conv', 4, 4, [3, 3]],
  ['text_encoder.text_model.encoder.layers.1.self_attn.q_proj', 4, 0.7, []],
];

function kohyaFile(folder: string, dtype: FloatDType): string {
  const modules = layers.map(([path, rank, alpha, kernel], i) => ({
    path,
    down: values([rank, 8, ...kernel], i),
    up: values([6, rank, ...kernel.map(() => 1)], i + 50),
    alpha: Math.fround(alpha),
  }));
  const metadata = {
    ss_output_name: '名',
    ss_network_module: 'networks.lora',
    'modelspec.title': 'x',
  };
  const path = join(folder, 'kohya.safetensors');
  writeFileSync(path, writeKohyaLora({ modules, metadata, dtype }));
  return path;
}

/** Through one layout after another; the last one's path. */
function through(
  folder: string,
  start: string,
  chain: readonly ConvertTarget[],
  isAlphaInMetadata = false,
) {
  return chain.reduce((path, to, i) => {
    const output = join(folder, `${i}-${to}${to === 'peft' ? '' : '.safetensors'}`);
    convertAdapter({ path, to, output, isAlphaInMetadata });
    return output;
  }, start);
}

for (const dtype of ['float16', 'bfloat16'] as const)
  test(`kohya → diffusers → PEFT → LyCORIS → kohya in ${dtype} gives the same file, byte for byte`, () => {
    withFolder((folder) => {
      const start = kohyaFile(folder, dtype);
      const end = through(folder, start, ['diffusers', 'peft', 'lycoris', 'kohya']);
      assert.deepEqual(readFileSync(end), readFileSync(start));
    });
  });

test('in float32 the same, with alpha in the metadata', () => {
  withFolder((folder) => {
    const start = kohyaFile(folder, 'float32');
    const end = through(folder, start, ['diffusers', 'peft', 'lycoris', 'kohya'], true);
    assert.deepEqual(readFileSync(end), readFileSync(start));
  });
});

test('in float32 without it, what is rounded is told and stays within a last place', () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'float32');
    const output = join(folder, 'd.safetensors');
    const { warnings } = convertAdapter({ path, to: 'diffusers', output });
    assert.match(warnings[0].what, /rounded to their type/);
    // 1/4 is a power of two, 4/4 is one: the others are rounded
    assert.match(warnings[0].where, /proj_in.*conv1|conv1.*proj_in/);
    assert.doesNotMatch(warnings[0].where, /to_out/);
    const [before, after] = [path, output].map((one) => {
      const file = openAdapter(one);
      return new Map(plainModules(one, file.modules).map((module) => [module.path, module]));
    });
    for (const [name, { up, down, alpha }] of before) {
      const found = after.get(name);
      assert.deepEqual(found?.down, down);
      const scale = alpha / down.shape[0];
      const own = toFloat32(found?.up ?? up).data;
      toFloat32(up).data.forEach((value, i) =>
        assert.ok(Math.abs(own[i] - value * scale) <= Math.abs(value * scale) * 2 ** -24, name),
      );
    }
  });
});

test("diffusers' file has B with its scale, for every program that knows no alpha", () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'bfloat16');
    const output = join(folder, 'd.safetensors');
    convertAdapter({ path, to: 'diffusers', output });
    const { modules } = openAdapter(output);
    for (const { alpha, rank, alphaFrom, scale } of modules)
      assert.deepEqual([alpha, alphaFrom, scale], [rank, 'rank', 1]);
    const dtypes = new Map(
      modules.map(({ path: layer, up }) => [layer?.split('.').at(-1), up.dtype]),
    );
    // 1/4 keeps bfloat16; 5/3 of it comes back from float32 alone
    assert.deepEqual([dtypes.get('0'), dtypes.get('proj_in')], ['bfloat16', 'float32']);
  });
});

test('--precision rounds once and tells what is lost', () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'float32');
    const output = join(folder, 'k.safetensors');
    convertAdapter({ path, to: 'kohya', output, dtype: 'bfloat16' });
    const { tensors } = openSafetensors(output);
    const factors = [...tensors].filter(([name]) => name.endsWith('.weight'));
    assert.ok(factors.every(([, { dtype }]) => dtype === 'bfloat16'));
    const wide = join(folder, 'wide.safetensors');
    const module = {
      path: layers[0][0],
      down: values([4, 8], 1),
      up: float32([6, 4], new Array<number>(24).fill(1e6)),
      alpha: 4,
    };
    writeFileSync(wide, writeKohyaLora({ modules: [module], metadata: {}, dtype: 'float32' }));
    const { narrowings } = convertAdapter({
      path: wide,
      to: 'kohya',
      output: join(folder, 'w.safetensors'),
      dtype: 'float16',
    });
    assert.deepEqual(
      narrowings.map(({ name, widened }) => [name.slice(-1), widened]),
      [['B', true]],
    );
  });
});

test('a file that is there stays, unless --force is given; half an output is never left', () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'float16');
    const before = readFileSync(path);
    assert.throws(
      () => convertAdapter({ path, to: 'kohya', output: path }),
      /already a file of that name/,
    );
    assert.deepEqual(readFileSync(path), before);
    convertAdapter({ path, to: 'kohya', output: path, force: true }); // onto itself
    assert.deepEqual(readFileSync(path), before);
    const broken = join(folder, 'broken.safetensors');
    const name = 'lora_unet_mid_block_attentions_0_proj_in';
    const tensors = {
      [`${name}.lora_down.weight`]: values([2, 3], 0),
      [`${name}.lora_up.weight`]: float32([3, 2], [1, 2, 3, NaN, 5, 6]),
    };
    writeFileSync(broken, serialize(new Map(Object.entries(tensors))));
    const output = join(folder, 'out.safetensors');
    assert.throws(
      () => convertAdapter({ path: broken, to: 'kohya', output }),
      /1 of its numbers are NaN/,
    );
    assert.ok(!existsSync(output));
  });
});

test('Stable Diffusion XL has the names of LDM in a file of kohya', () => {
  for (const name of [
    'lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k',
    'lora_unet_input_blocks_7_0_in_layers_2',
    'lora_unet_input_blocks_3_0_op',
    'lora_unet_middle_block_1_proj_in',
    'lora_unet_middle_block_2_out_layers_3',
    'lora_unet_output_blocks_2_2_conv',
    'lora_unet_output_blocks_5_1_proj_out',
    'lora_unet_output_blocks_8_0_skip_connection',
    'lora_unet_label_emb_0_2',
    'lora_unet_time_embed_0',
    'lora_te1_text_model_encoder_layers_0_mlp_fc1',
    'lora_te2_text_model_encoder_layers_31_self_attn_out_proj',
  ])
    assert.equal(kohyaXlName(picturePath(name) ?? ''), name);
  withFolder((folder) => {
    const name = 'lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k';
    const tensors = {
      [`${name}.lora_down.weight`]: values([2, 2048], 0),
      [`${name}.lora_up.weight`]: values([3, 2], 0),
    };
    const path = join(folder, 'xl.safetensors');
    writeFileSync(path, serialize(new Map(Object.entries(tensors))));
    const end = through(folder, path, ['diffusers', 'kohya']);
    assert.deepEqual(
      openAdapter(end).modules.map((module) => module.name),
      [name],
    );
  });
});

test('a layer that no rule knows keeps its name among the files of kohya, and has none elsewhere', () => {
  withFolder((folder) => {
    const name = 'lora_unet_double_blocks_0_img_attn_proj';
    const tensors = {
      [`${name}.lora_down.weight`]: values([2, 3], 0),
      [`${name}.lora_up.weight`]: values([3, 2], 0),
    };
    const path = join(folder, 'flux.safetensors');
    writeFileSync(path, serialize(new Map(Object.entries(tensors))));
    assert.equal(openAdapter(through(folder, path, ['lycoris'])).modules[0].name, name);
    assert.throws(() => through(folder, path, ['diffusers']), /no rule says which layer this is/);
  });
});

test("a language model's adapter goes to PEFT's folder alone", () => {
  withFolder((folder) => {
    const path = 'reference/golden/peft_adapter';
    assert.throws(
      () => convertAdapter({ path, to: 'kohya', output: join(folder, 'x.safetensors') }),
      (error: unknown) => error instanceof UserError && /is for pictures/.test(error.message),
    );
    const output = join(folder, 'out');
    convertAdapter({ path, to: 'peft', output });
    const [before, after] = [path, output].map((one) =>
      plainModules(one, openAdapter(one).modules),
    );
    assert.deepEqual(after, before);
  });
});

test('a name that programs would not find is refused before anything is computed', () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'float16');
    for (const [to, output, what] of [
      ['kohya', join(folder, 'out'), /end with \.safetensors/],
      ['diffusers', folder, /this is a folder/],
      ['peft', join(folder, 'out.safetensors'), /the name of a file/],
    ] as const)
      assert.throws(() => convertAdapter({ path, to, output }), what);
  });
});

test('the chat template of a language model goes along', () => {
  withFolder((folder) => {
    const from = join(folder, 'from');
    cpSync('reference/golden/peft_adapter', from, { recursive: true });
    writeFileSync(join(from, 'chat_template.jinja'), '{{ messages }}');
    const output = join(folder, 'to');
    convertAdapter({ path: from, to: 'peft', output });
    assert.equal(openAdapter(output).language?.chatTemplate, '{{ messages }}');
  });
});

test("--precision holds for diffusers' file, too, and says that B does not come back from it", () => {
  withFolder((folder) => {
    const path = kohyaFile(folder, 'float16');
    const output = join(folder, 'd.safetensors');
    const { warnings } = convertAdapter({ path, to: 'diffusers', output, dtype: 'float16' });
    assert.match(warnings[0].what, /rounded to their type/);
    const { modules } = openAdapter(output);
    assert.deepEqual(new Set(modules.map(({ up }) => up.dtype)), new Set(['float16']));
  });
});

test("names of Stable Diffusion XL lead where diffusers' own conversion leads, and back", () => {
  const text = readFileSync('reference/golden/xl_names.json', 'utf8');
  const all = Object.entries(JSON.parse(text) as Record<string, string>);
  assert.equal(all.length, 112);
  for (const [name, path] of all) {
    assert.equal(picturePath(name), path);
    assert.equal(kohyaXlName(path), name);
  }
});
