import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { InternalError } from '../errors.ts';
import { Builder } from '../graph/builder.ts';
import { decode, encodeMoments } from './autoencoder-kl.ts';
import { clipTextEncoder } from './clip-text.ts';
import { stableDiffusionParameters } from './parameters.ts';
import { otherConfig, smallConfig } from './small-configs.test-util.ts';
import { stableDiffusion15 } from './stable-diffusion-config.ts';
import { unet } from './unet.ts';

const prefixes: Record<string, string> = {
  unet: 'unet',
  vae: 'vae',
  text_encoder: 'text_encoder',
  clip: 'text_encoder',
};

/**
 * `<model>.<diffusers key>` and shape of the 1130 tensors of Stable Diffusion 1.5 (columns
 * component, ldm_key, ldm_shape, diffusers_key, diffusers_shape).
 */
function publishedTensors(): Map<string, string> {
  const table = gunzipSync(
    readFileSync(new URL('../../test/data/sd15-tensors.tsv.gz', import.meta.url)),
  ).toString();
  const rows = table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'));
  return new Map(
    rows.map(([component, , , key, shape]) => [`${prefixes[component]}.${key}`, shape]),
  );
}

test('the SD 1.5 graphs have exactly the 1130 published tensors', () => {
  const ours = new Map(
    [...stableDiffusionParameters(stableDiffusion15)].map(([name, shape]) => [
      name,
      shape.join('x'),
    ]),
  );
  const count = (prefix: string) =>
    [...ours.keys()].filter((name) => name.startsWith(prefix)).length;
  assert.deepEqual([count('unet.'), count('vae.'), count('text_encoder.')], [686, 248, 196]);
  assert.deepEqual(new Map([...ours].sort()), new Map([...publishedTensors()].sort()));
});

test('every node of the UNet belongs to the module whose weights it uses', () => {
  const g = new Builder('unet');
  g.output('y', unet(g, smallConfig.unet, unetInputs(g, [1, 4, 8, 8])));
  const graph = g.finish();
  for (const node of graph.nodes) {
    for (const weight of graph.parameters.filter((value) => node.inputs.includes(value))) {
      assert.equal(weight.name.slice(0, weight.name.lastIndexOf('.')), node.scope);
    }
  }
});

test('the UNet keeps every size of latent, also odd ones', () => {
  for (const size of [
    [8, 8],
    [1, 1],
    [7, 13],
    [9, 2],
  ]) {
    const g = new Builder('unet');
    assert.deepEqual(unet(g, smallConfig.unet, unetInputs(g, [3, 4, ...size])).shape, [
      3,
      4,
      ...size,
    ]);
  }
});

test('the autoencoder shrinks and enlarges by its factor', () => {
  const g = new Builder('vae');
  const { mean, logvar } = encodeMoments(
    g,
    otherConfig.vae,
    g.input('pixels', 'float32', [2, 3, 6, 10]),
  );
  assert.deepEqual(
    [mean.shape, logvar.shape],
    [
      [2, 3, 3, 5],
      [2, 3, 3, 5],
    ],
  );
  assert.deepEqual(decode(g, otherConfig.vae, mean).shape, [2, 3, 6, 10]);
});

test('sizes that a model cannot take are refused when it is built', () => {
  const g = new Builder('refused');
  const ids = g.input('ids', 'int32', [1, 78]);
  assert.throws(() => clipTextEncoder(g, smallConfig.textEncoder, ids), InternalError);
  assert.throws(
    () =>
      clipTextEncoder(g, smallConfig.textEncoder, g.input('i', 'int32', [1, 7]), { clipSkip: 3 }),
    /clip skip 3/,
  );
  assert.throws(
    () => encodeMoments(g, smallConfig.vae, g.input('p', 'float32', [1, 3, 8, 10])),
    /multiples of 4, not 10×8/,
  );
});

function unetInputs(g: Builder, shape: number[]) {
  return {
    latents: g.input('latents', 'float32', shape),
    timesteps: g.input('timesteps', 'float32', shape.slice(0, 1)),
    context: g.input('context', 'float32', [shape[0], 7, smallConfig.unet.cross_attention_dim]),
  };
}
