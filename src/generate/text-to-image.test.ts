import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { applyAdapter } from '../adapters/apply.ts';
import { lora as loraKind } from '../adapters/lora.ts';
import { stableDiffusionTargets } from '../adapters/stable-diffusion-targets.ts';
import { ConfigError } from '../errors.ts';
import { hashedUniforms, hashedWeight } from '../models/hashed-weights.test-util.ts';
import { textEncoderGraph, unetGraph } from '../models/graphs.ts';
import { stableDiffusionParameters } from '../models/parameters.ts';
import { otherConfig, smallConfig } from '../models/small-configs.test-util.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { deserialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, type Tensor } from '../tensor/tensor.ts';
import type { Adapter, Mix } from './mix.ts';
import { adaptableLayers } from '../adapters/layers.ts';
import type { Value } from '../graph/graph.ts';
import { toFloat32 } from '../tensor/half.ts';
import { needed } from '../util/needed.ts';
import type { PictureRequest } from './picture-request.ts';
import {
  createImageGenerator,
  type GenerationEvent,
  type ImageGenerator,
  type ImageGeneratorOptions,
} from './text-to-image.ts';
import { cpuRuntime } from '../runtime/runtime.ts';

type Image = Extract<GenerationEvent, { type: 'image' }>;

const hashed = (name: string, shape: readonly number[]): [string, Tensor] => [
  name,
  float32(shape, hashedWeight(name, shape)),
];
const checkpointOf = (config: StableDiffusionConfig) => ({
  config,
  weights: new Map(
    [...stableDiffusionParameters(config)].map(([name, shape]) => hashed(name, shape)),
  ),
});
/** 75 ids between two special tokens, as reference/text_to_image.py has them. */
const tokenizerOf = (vocabulary: number, length = 77) => ({
  bos: 0,
  eos: 1,
  pad: 1,
  textIds: (text: string) =>
    Array.from(hashedUniforms(`ids.${text}`, length).slice(1, -1), (u) =>
      Math.floor(((u + 1) / 2) * vocabulary),
    ),
});
const small: ImageGeneratorOptions = {
  checkpoint: checkpointOf(smallConfig),
  tokenizer: tokenizerOf(100),
  runtime: cpuRuntime(1),
};

/** The adapter of reference/text_to_image.py. */
function lora(): Adapter {
  const size = stableDiffusionTargets({
    lora_rank: 2,
    lora_alpha: 3,
    conv_rank: 0,
    conv_alpha: 1,
    train_unet: true,
    train_text_encoder: true,
  });
  const modules = [
    textEncoderGraph(smallConfig.textEncoder, [1, 1]),
    unetGraph(
      smallConfig.unet,
      [1, smallConfig.unet.in_channels, 1, 1],
      [1, 1, smallConfig.unet.cross_attention_dim],
    ),
  ].flatMap((graph) => applyAdapter(graph, loraKind, size).modules);
  const weightOf = ({ name, shape }: Value): Tensor => hashed(name, shape)[1];
  return {
    name: 'of the reference',
    modules: modules.map(({ path, alpha, down, up }) => ({
      ...{ path, alpha },
      down: weightOf(down),
      up: weightOf(up),
    })),
  };
}

async function draw(
  generator: ImageGenerator,
  requests: readonly PictureRequest[],
): Promise<{ images: Image[]; steps: number }> {
  const images: Image[] = [];
  let steps = 0;
  for await (const event of generator.generate(requests)) {
    if (event.type === 'image') images[event.index] = event;
    else assert.equal(event.done, ++steps);
  }
  return { images, steps };
}

function golden(name: string): Tensor {
  return (
    deserialize(readFileSync('reference/golden/text_to_image.safetensors')).tensors.get(name) ??
    assert.fail(name)
  );
}

function compareWithDiffusers({ latents, picture }: Image, name: string): void {
  const expected = golden(`${name}.latents`);
  assert.deepEqual(latents.shape, expected.shape);
  const largest = Math.max(...Array.from(expected.data, Number).map(Math.abs));
  // float32 here, float64 there: 4 steps whose differences guidance makes 7 times as large
  latents.data.forEach((x, i) =>
    assert.ok(
      Math.abs(x - Number(expected.data[i])) < 1e-4 * largest,
      `${name} [${i}]: ${x} is not ${expected.data[i]}`,
    ),
  );
  const rgb = golden(`${name}.rgb`);
  assert.deepEqual([picture.height, picture.width, 3], [...rgb.shape]);
  // the last bit of a byte
  picture.rgb.forEach((x, i) => assert.ok(Math.abs(x - Number(rgb.data[i])) <= 1));
}

const asInReference: PictureRequest = {
  prompt: 'prompt',
  negativePrompt: 'negative',
  steps: 4,
  guidance: 4,
  sampler: 'euler',
  noise: hashedUniforms('start', sizeOf([4, 16, 16])).map((u) => u * Math.fround(1.7)),
};

test('pictures equal those of diffusers, without and with a LoRA, and strength 0 is without to the bit', async () => {
  const adapter = lora();
  const plain = createImageGenerator(small);
  const {
    images: [without],
  } = await draw(plain, [asInReference]);
  await plain.release();
  compareWithDiffusers(without, 'plain');

  const adapted = createImageGenerator(small);
  const {
    images: [at07, at0],
  } = await draw(adapted, [
    { ...asInReference, mix: [{ adapter, strength: 0.7 }] },
    { ...asInReference, mix: [{ adapter, strength: 0 }] },
  ]);
  await adapted.release();
  compareWithDiffusers(at07, 'lora');
  assert.deepEqual(at0, { ...without, index: 1 });
});

test('the seed decides; batches, and sparing memory, change nothing but the last bits', async () => {
  const requests = [3, 4, 3].map((seed): PictureRequest => ({
    prompt: 'a',
    seed,
    steps: 2,
    width: 24,
    height: 16,
    sampler: 'euler_a',
  }));
  const [generator, saving] = [
    createImageGenerator(small),
    createImageGenerator({ ...small, savesMemory: true }),
  ];
  const { images, steps } = await draw(generator, requests);
  const again = await draw(generator, requests);
  const oneByOne = await draw(saving, requests);
  await Promise.all([generator.release(), saving.release()]);
  assert.deepEqual([steps, oneByOne.steps], [2, 6]);
  assert.deepEqual(again.images, images);
  assert.deepEqual(images[2], { ...images[0], index: 2 });
  assert.notDeepEqual(images[1].latents, images[0].latents);
  assert.deepEqual([images[0].picture.width, images[0].picture.height], [24, 16]);
  for (const [i, { latents }] of images.entries()) {
    latents.data.forEach((x, k) =>
      assert.ok(Math.abs(x - oneByOne.images[i].latents.data[k]) < 1e-4),
    ); // numbers about 1; other sums in float32
  }
});

test('without guidance the negative prompt does not matter', async () => {
  const generator = createImageGenerator({
    checkpoint: checkpointOf(otherConfigWithFourChannels()),
    tokenizer: tokenizerOf(50, 12),
    runtime: cpuRuntime(1),
  });
  const request: PictureRequest = {
    prompt: 'a',
    seed: 5,
    steps: 1,
    guidance: 1,
    width: 8,
    height: 6,
  };
  const { images } = await draw(generator, [
    request,
    { ...request, negativePrompt: 'b' },
    { ...request, guidance: 3 },
  ]);
  await generator.release();
  assert.deepEqual(images[1].latents, images[0].latents);
  assert.notDeepEqual(images[2].latents, images[0].latents);
});

function otherConfigWithFourChannels(): StableDiffusionConfig {
  return { ...otherConfig, vae: { ...otherConfig.vae, latent_channels: 4 } };
}

test('requests that cannot be met are reported together, before anything is loaded', async () => {
  const generator = createImageGenerator(small);
  const bad = { prompt: 'a', width: 30, steps: 0, seed: -1 };
  await assert.rejects(draw(generator, [{ prompt: 'b' }, bad]), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(
      error.problems.map(({ where }) => where),
      ['picture 2 seed', 'picture 2 steps', 'picture 2 width'],
    );
    return true;
  });
});

test('an adapter of another model is refused', async () => {
  const { name, modules } = lora();
  const other = { name, modules: [{ ...modules[0], path: 'unet.nowhere' }] };
  const generator = createImageGenerator(small);
  const request = { prompt: 'a', mix: [{ adapter: other, strength: 1 }] };
  await assert.rejects(draw(generator, [request]), /no layers unet\.nowhere/);
});

/** Adapters on some layers, of a rank each; by name other numbers. */
function adapterOn(name: string, rank: number, wanted: RegExp): Adapter {
  const modules = [
    textEncoderGraph(smallConfig.textEncoder, [1, 1]),
    unetGraph(smallConfig.unet, [1, 4, 1, 1], [1, 1, smallConfig.unet.cross_attention_dim]),
  ]
    .flatMap(adaptableLayers)
    .filter(({ path }) => wanted.test(path))
    .map(({ path, weightShape: [out, ...rest] }) => ({
      ...{ path, alpha: rank / 2 },
      down: hashed(`${name} ${path} down`, [rank, ...rest])[1],
      up: hashed(`${name} ${path} up`, [out, rank, ...rest.slice(1).map(() => 1)])[1],
    }));
  return { name, modules };
}

test('a mix is the sum of the deltas, in any order of asking, with ranks and layers of all kinds', async () => {
  const ink = adapterOn('ink', 2, /to_q|fc1|conv1$/);
  const glow = adapterOn('glow', 5, /to_q|to_v|q_proj|proj_in|conv1$/);
  const strength = { unet: 0.5, text_encoder: 2 };
  const request: PictureRequest = { prompt: 'b', steps: 2, width: 24, height: 16, seed: 9 };
  const mixes: Record<string, Mix> = {
    none: [],
    ink: [{ adapter: ink, strength: 1 }],
    both: [
      { adapter: ink, strength: -0.7 },
      { adapter: glow, strength },
    ],
    glow: [{ adapter: glow, strength }],
    off: [
      { adapter: ink, strength: 0 },
      { adapter: glow, strength: { unet: 0 } },
    ],
  };
  const generator = createImageGenerator(small);
  const drawn = async (name: string) => {
    const { images } = await draw(generator, [{ ...request, mix: mixes[name] }]);
    return images[0].latents;
  };
  const names = Object.keys(mixes);
  const drawnEach = async (order: readonly string[]) => {
    const found = new Map<string, Tensor<'float32'>>();
    for (const name of order) found.set(name, await drawn(name));
    return found;
  };
  const first = await drawnEach(names); // the program grows on the way
  const settled = await drawnEach(names);
  for (let i = 0; i < 10; i++)
    for (const [name, latents] of await drawnEach(names.reverse()))
      assert.deepEqual(latents, settled.get(name), `${name}, time ${i + 3}`);
  assert.deepEqual(settled.get('none'), first.get('none'));
  assert.deepEqual(settled.get('off'), first.get('none'));
  await generator.release();
  for (const name of ['ink', 'both', 'glow']) {
    const merged = createImageGenerator({ ...small, checkpoint: mergedCheckpoint(mixes[name]) });
    const { images } = await draw(merged, [request]);
    await merged.release();
    const wanted = images[0].latents.data;
    const largest = Math.max(...wanted.map(Math.abs));
    for (const found of [first, settled]) {
      const { data } = needed(found, name, 'picture');
      const far = Math.max(...Array.from(data, (x, i) => Math.abs(x - wanted[i])));
      assert.ok(far < 5e-5 * largest, `${name}: ${far} of ${largest}`);
    }
    assert.notDeepEqual(first.get(name), first.get('none'));
  }
});

/** The model with a mix in its weights. */
function mergedCheckpoint(mix: Mix) {
  const { config, weights } = checkpointOf(smallConfig);
  const changed = new Map(weights);
  for (const { adapter, strength } of mix)
    for (const module of adapter.modules) {
      const name = `${module.path}.weight`;
      const component = module.path.startsWith('unet.') ? 'unet' : 'text_encoder';
      const at = typeof strength === 'number' ? strength : (strength[component] ?? 0);
      const scale = (at * module.alpha) / module.down.shape[0];
      const before = needed(changed, name, 'weight');
      changed.set(name, loraKind.merge(toFloat32(before), module, scale));
    }
  return { config, weights: changed };
}
