import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { AdapterError, type Problem } from '../errors.ts';
import { toFloat32 } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, type Tensor } from '../tensor/tensor.ts';
import { plainModule, type AdapterFile } from './adapter-file.ts';
import { openAdapter } from './open-adapter.ts';
import { picturePath } from './picture-names.ts';

const golden = 'reference/golden/adapter_formats';

interface Expected {
  readonly rank: number;
  readonly scale: number;
  readonly first: readonly number[];
  readonly norm: number;
}
const expected = new Map(
  Object.entries(
    JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as Record<string, Expected>,
  ),
);

/** s · B A of a module, row-major. */
function deltaOf(file: AdapterFile, path: string): Float64Array {
  const module = file.modules.find((one) => one.path === path);
  assert.ok(module, path);
  const { down, up, alpha } = plainModule(file.path, module);
  const [rank, columns] = [down.shape[0], sizeOf(down.shape.slice(1))];
  const [a, b] = [toFloat32(down).data, toFloat32(up).data];
  return Float64Array.from({ length: up.shape[0] * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * columns + column];
    return (sum * alpha) / rank;
  });
}

for (const [name, format] of [
  ['peft', 'peft'],
  ['diffusers', 'diffusers'],
] as const)
  test(`${name}: each layer adds what PEFT's own layer adds`, () => {
    const file = openAdapter(join(golden, name));
    assert.equal(file.format, format);
    assert.equal(file.of, 'pictures');
    assert.deepEqual(new Set(file.modules.map(({ path }) => path)), new Set(expected.keys()));
    for (const [path, { rank, scale, first, norm }] of expected) {
      const module = file.modules.find((one) => one.path === path);
      assert.deepEqual([module?.rank, module?.scale], [rank, scale], path);
      const delta = deltaOf(file, path);
      // PEFT multiplies in float32: its sums of two products are off by a few in 2^24
      first.forEach((value, i) => assert.ok(Math.abs(delta[i] - value) < 1e-6 * norm, path));
      assert.ok(
        Math.abs(Math.sqrt(delta.reduce((sum, x) => sum + x * x, 0)) - norm) < 1e-6 * norm,
        path,
      );
    }
  });

for (const [name, format] of [
  ['diffusers-old.safetensors', 'diffusers'],
  ['kohya.safetensors', 'kohya'],
] as const)
  test(`${name}: the same layers; alpha is the rank, as diffusers' conversion has it`, () => {
    const file = openAdapter(join(golden, name));
    assert.equal(file.format, format);
    const whole = openAdapter(join(golden, 'peft'));
    assert.equal(file.modules.length, expected.size);
    for (const { path = '', scale, rank, alpha } of file.modules) {
      assert.deepEqual([scale, alpha], [1, rank]);
      const { scale: wanted = NaN } = expected.get(path) ?? {};
      const [found, other] = [deltaOf(file, path), deltaOf(whole, path)];
      found.forEach((value, i) => assert.ok(Math.abs(value * wanted - other[i]) < 1e-12, path));
    }
  });

const linear = (rank = 2) => ({
  down: float32([rank, 3], new Array<number>(rank * 3).fill(0.5)),
  up: float32([4, rank], new Array<number>(rank * 4).fill(0.25)),
});

function withFile<T>(
  tensors: Record<string, Tensor>,
  use: (path: string) => T,
  metadata: Record<string, string> = {},
): T {
  return withFolder((folder) => {
    const path = join(folder, 'x.safetensors');
    writeFileSync(path, serialize(new Map(Object.entries(tensors)), metadata));
    return use(path);
  });
}

const problemsOf = (work: () => unknown): readonly Problem[] => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof AdapterError, String(error));
    return error.problems;
  }
  return assert.fail('nothing was thrown');
};

const layer = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1';
const { down, up } = linear();

for (const [spelling, name, [downKey, upKey]] of [
  ['kohya', `lora_unet_${layer.replaceAll('.', '_')}_to_q`, ['lora_down', 'lora_up']],
  ['kohya, dotted', `lora_unet.${layer}.to_q`, ['lora_down', 'lora_up']],
  ['LDM', 'lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q', ['lora_down', 'lora_up']],
  ['LyCORIS alone', `lycoris_${layer.replaceAll('.', '_')}_to_q`, ['lora_down', 'lora_up']],
  ['diffusers', `unet.${layer}.to_q`, ['lora_A', 'lora_B']],
  ["PEFT's default", `unet.${layer}.to_q`, ['lora_A.default', 'lora_B.default']],
  ['diffusers before PEFT', `unet.${layer}.to_q`, ['lora.down', 'lora.up']],
  ['processors', `unet.${layer}.processor.to_q`, [null, null]],
  ['a UNet alone', `${layer}.processor.to_q`, [null, null]],
] as const)
  test(`names as ${spelling} has them lead to one path`, () => {
    const key = (word: string | null, part: string) =>
      word === null ? `${name}_lora.${part}.weight` : `${name}.${word}.weight`;
    withFile({ [key(downKey, 'down')]: down, [key(upKey, 'up')]: up }, (path) => {
      const [module] = openAdapter(path).modules;
      assert.equal(module.path, `unet.${layer}.to_q`);
      assert.deepEqual([module.rank, module.alpha, module.alphaFrom], [2, 2, 'rank']);
    });
  });

test('every layer of Stable Diffusion 1.5 is found by its name in LDM and in diffusers', () => {
  const rows = gunzipSync(readFileSync('test/data/sd15-tensors.tsv.gz'))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([part, key, shape]) => part === 'unet' && key.endsWith('.weight') && /x/.test(shape));
  assert.equal(rows.length, 282);
  for (const [, ldm, , diffusers] of rows) {
    const [from, to] = [ldm, diffusers].map((key) => key.slice(0, -'.weight'.length));
    const name = from.slice('model.diffusion_model.'.length).replaceAll('.', '_');
    assert.equal(picturePath(`lora_unet_${name}`), `unet.${to}`, name);
    assert.equal(picturePath(`lora_unet_${to.replaceAll('.', '_')}`), `unet.${to}`);
    assert.equal(picturePath(`unet.${to}`), `unet.${to}`);
  }
});

test("SDXL's second text encoder has its own component; a name of another model has no path", () => {
  assert.equal(
    picturePath('lora_te2_text_model_encoder_layers_31_mlp_fc1'),
    'text_encoder_2.text_model.encoder.layers.31.mlp.fc1',
  );
  assert.equal(
    picturePath('text_encoder.text_model.encoder.layers.0.self_attn.to_out'),
    'text_encoder.text_model.encoder.layers.0.self_attn.out_proj',
  );
  for (const name of [
    'lora_unet_double_blocks_0_img_attn_proj',
    'transformer.single_transformer_blocks.0.attn.to_q',
    'lora_unet_',
    'unet.foo.bar',
  ])
    assert.equal(picturePath(name), undefined, name);
  withFile(
    {
      'lora_unet_double_blocks_0_x.lora_down.weight': down,
      'lora_unet_double_blocks_0_x.lora_up.weight': up,
    },
    (path) => assert.equal(openAdapter(path).modules[0].path, undefined),
  );
});

test('alpha: of the tensor, whole numbers too; of the metadata; else the rank', () => {
  const name = 'lora_unet_mid_block_attentions_0_proj_in';
  const factors = { [`${name}.lora_down.weight`]: down, [`${name}.lora_up.weight`]: up };
  for (const [alpha, value] of [
    [float32([], [0.5]), 0.5],
    [float32([1], [3]), 3],
    [{ dtype: 'int64', shape: [], data: BigInt64Array.of(7n) }, 7],
    [float32([], [0]), 0],
  ] as const)
    withFile({ ...factors, [`${name}.alpha`]: alpha }, (path) => {
      const [module] = openAdapter(path).modules;
      assert.deepEqual(
        [module.alpha, module.scale, module.alphaFrom],
        [value, value / 2, 'tensor'],
      );
    });
  const own = { 'unet.conv_in.lora_A.weight': down, 'unet.conv_in.lora_B.weight': up };
  const stated = (config: object) => ({ lora_adapter_metadata: JSON.stringify(config) });
  withFile(
    own,
    (path) => {
      const [module] = openAdapter(path).modules;
      assert.deepEqual(
        [module.alpha, module.scale, module.alphaFrom],
        [1, 1 / Math.sqrt(2), 'metadata'],
      );
      assert.equal(plainModule(path, module).alpha / 2, 1 / Math.sqrt(2));
    },
    stated({ 'unet.r': 2, 'unet.lora_alpha': 1, 'unet.use_rslora': true }),
  );
  withFile(
    own,
    (path) => assert.match(problemsOf(() => openAdapter(path))[0].what, /rank 2, but rank 8/),
    stated({ 'unet.r': 8, 'unet.lora_alpha': 1 }),
  );
  withFile(
    own,
    (path) => assert.match(problemsOf(() => openAdapter(path))[0].what, /DoRA/),
    stated({ 'unet.r': 2, 'unet.lora_alpha': 1, 'unet.use_dora': true }),
  );
});

test('what is no plain LoRA is refused by its name, what is incomplete by its module', () => {
  const [a, b] = ['unet.conv_in.lora_A.weight', 'unet.conv_in.lora_B.weight'];
  const one = float32([1], [1]);
  for (const [tensors, what] of [
    [{ 'lora_unet_conv_in.hada_w1_a': one }, /this is a LoHa/],
    [{ 'lora_unet_conv_in.lokr_w1': one }, /this is a LoKr/],
    [{ [a]: down, [b]: up, 'unet.conv_in.lora_magnitude_vector': one }, /this is a DoRA/],
    [{ 'oft_unet_conv_in.oft_blocks': one }, /this is an OFT/],
    [{ [a]: down }, /incomplete: lora_up\.weight is missing/],
    [{ 'lora_unet_conv_in.alpha': one }, /incomplete: its alpha alone/],
    [{ [a]: down, [b]: float32([4, 3], new Array<number>(12).fill(0)) }, /do not fit together/],
    [{ [a]: down, [b]: up, 'unet.conv_in.scale': one }, /belongs to a module of the LoRA/],
    [{ [a]: down, [b]: { dtype: 'int8', shape: [4, 2], data: new Int8Array(8) } }, /are int8/],
    [
      {
        [a]: down,
        [b]: up,
        'lora_unet_conv_in.lora_down.weight': down,
        'lora_unet_conv_in.lora_up.weight': up,
      },
      /the same layer/,
    ],
    [{ 'conv.weight': one }, /no tensor in this file/],
    [
      { 'base_model.model.model.layers.0.q_proj.lora_A.weight': down },
      /without its adapter_config/,
    ],
    [
      {
        'lora_unet_conv_in.lora_down.weight': down,
        'lora_unet_conv_in.lora_up.weight': up,
        'lora_unet_conv_in.alpha': float32([2], [1, 2]),
      },
      /not one number/,
    ],
  ] as const)
    withFile(tensors, (path) => {
      const [problem] = problemsOf(() => openAdapter(path));
      assert.match(problem.what, what);
      assert.ok(problem.fix !== undefined, problem.what);
    });
});

test('numbers that are not finite are refused when they are read, with their module', () => {
  const broken = float32([4, 2], [NaN, 0, 0, 0, 0, 0, 0, 0]);
  withFile({ 'unet.conv_in.lora_A.weight': down, 'unet.conv_in.lora_B.weight': broken }, (path) => {
    const { modules } = openAdapter(path);
    assert.match(problemsOf(() => plainModule(path, modules[0]))[0].where, /unet\.conv_in$/);
  });
});

test('tensors beside the layers are told', () => {
  const tensors = { 'unet.conv_in.lora_A.weight': down, 'unet.conv_in.lora_B.weight': up };
  withFile({ ...tensors, 'bundle_emb.x.clip_l': float32([1], [0]) }, (path) => {
    const { leftovers, warnings } = openAdapter(path);
    assert.deepEqual(leftovers, ['bundle_emb.x.clip_l']);
    assert.match(warnings[0].what, /bundle_emb\.x\.clip_l/);
  });
});

test('a folder: the one file in it, the file with the name of diffusers, or which ones there are', () => {
  withFolder((folder) => {
    assert.match(problemsOf(() => openAdapter(folder))[0].what, /no adapter in this folder/);
    const file = (name: string) =>
      copyFileSync(join(golden, 'kohya.safetensors'), join(folder, name));
    file('a.safetensors');
    assert.equal(openAdapter(folder).modules.length, expected.size);
    file('b.safetensors');
    assert.match(problemsOf(() => openAdapter(folder))[0].what, /2 \.safetensors files/);
    file('pytorch_lora_weights.safetensors');
    assert.equal(openAdapter(folder).format, 'kohya');
    mkdirSync(join(folder, 'sub'));
    assert.match(problemsOf(() => openAdapter(join(folder, 'other')))[0].what, /no such file/);
  });
});

test("a language model's adapter is the same value", () => {
  const file = openAdapter('reference/golden/peft_adapter');
  assert.equal(file.of, 'language');
  assert.equal(file.format, 'peft');
  assert.ok(file.modules.every(({ path = '' }) => path.startsWith('model.layers.')));
  assert.equal(file.language?.rslora, false);
});

test('a DoRA of PEFT in a lone file was asked for its adapter_config.json', () => {
  const one = float32([1], [1]);
  const layer = 'base_model.model.model.layers.0.mlp.up_proj';
  const pair = { [`${layer}.lora_A.weight`]: down, [`${layer}.lora_B.weight`]: up };
  for (const [more, what] of [
    [{ [`${layer}.lora_magnitude_vector`]: one }, 'a DoRA'],
    [{ [`${layer}.lora_magnitude_vector.weight`]: one }, 'a DoRA'],
    [{ [`${layer}.lora_B.bias`]: one }, 'a LoRA with a bias in B'],
    [{ [`${layer}.lora_E`]: one }, 'an AdaLoRA'],
    [{ [`${layer}.lora_embedding_A`]: one }, 'a LoRA of the embeddings'],
  ] as const)
    withFile({ ...pair, ...more }, (path) =>
      assert.match(problemsOf(() => openAdapter(path))[0].what, new RegExp(`^this is ${what}`)),
    );
  for (const [tensors, what] of [
    [{ 'base_model.model.unet.a.lora_magnitude_vector': one }, 'a DoRA'],
    [{ [`${layer}.hada_w1_a`]: one }, 'a LoHa'],
    [{ [`${layer}.oft_R.weight`]: one }, 'an OFT'],
  ] as const)
    withFile(tensors, (path) =>
      assert.match(problemsOf(() => openAdapter(path))[0].what, new RegExp(`^this is ${what}`)),
    );
  withFile(pair, (path) =>
    assert.match(problemsOf(() => openAdapter(path))[0].what, /without its adapter_config/),
  );
});
