// A run that goes on from an adapter that another program wrote begins with what that adds.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import { parseConfig } from '../config/load.ts';
import { float32 } from '../tensor/tensor.ts';
import { begunPictures } from './image/begun.ts';
import { withResolution } from './image/sizes.ts';
import { startingPoint } from './starting-point.ts';
import type { TaskContext } from './task.ts';
import { loraDelta } from './testing/lora-delta.ts';

interface Expected {
  readonly rank: number;
  readonly alpha?: number;
  readonly first: readonly number[];
  readonly norm: number;
}
type Layers = Readonly<Record<string, Expected>>;

const golden = 'reference/golden';
const json = (path: string) => JSON.parse(readFileSync(`${golden}/${path}`, 'utf8')) as unknown;
// as their scripts wrote them
const peft = json('adapter_formats/expected.json') as Layers;
const others = json('continued_adapters/expected.json') as Readonly<Record<string, Layers>>;
const base = loadStableDiffusion('models/tiny-sd', { useEma: false });

/** How a run begins that asks for other ranks and alphas than the file has. */
function begun(path: string) {
  const job = parseConfig({
    ...{ base_model: 'models/tiny-sd', train_data_dir: 'data/brand_style', output_dir: 'output/x' },
    ...{ continue_from: `${golden}/${path}`, lora_rank: 16, lora_alpha: 5 },
  });
  const context = { start: startingPoint(job) } as unknown as TaskContext; // all that is asked for
  return begunPictures(job, base.config, withResolution(job.config, base.config), context);
}

for (const [name, path, expected] of [
  ['PEFT', 'adapter_formats/peft', peft],
  ['diffusers', 'adapter_formats/diffusers', peft],
  [
    'LyCORIS-LoCon in float16',
    'continued_adapters/lycoris-locon.safetensors',
    others['lycoris-locon'],
  ],
  [
    'kohya in bfloat16, a rank and an alpha for each layer',
    'continued_adapters/kohya-bf16.safetensors',
    others['kohya-bf16'],
  ],
] as const)
  test(`${name}: before its first step a run adds to each layer what the file adds`, () => {
    const { sizes, weights } = begun(path);
    assert.deepEqual([...sizes.keys()].sort(), Object.keys(expected).sort());
    for (const [layer, { rank, alpha, first, norm }] of Object.entries(expected)) {
      const size = sizes.get(layer);
      assert.equal(size?.rank, rank, layer);
      if (alpha !== undefined) assert.equal(size?.alpha, alpha, layer);
      const [down, up] = ['down', 'up'].map(
        (part) => weights.get(`${layer}.lora_${part}.weight`) ?? float32([0], []),
      );
      const delta = loraDelta(down, up, (size?.alpha ?? NaN) / rank);
      const found = Math.sqrt(delta.reduce((sum, value) => sum + value ** 2, 0));
      assert.ok(Math.abs(found - norm) < 1e-6 * norm, layer);
      first.forEach((value, i) => assert.ok(Math.abs(delta[i] - value) < 1e-6 * norm, layer));
    }
  });

test('files whose programs take the rank for alpha begin with that', () => {
  for (const path of [
    'adapter_formats/diffusers-old.safetensors',
    'adapter_formats/kohya.safetensors',
  ]) {
    const { sizes } = begun(path);
    assert.deepEqual([...sizes.keys()].sort(), Object.keys(peft).sort());
    for (const [layer, { rank, alpha }] of sizes) assert.equal(alpha, rank, layer);
  }
});

test('layers that the file lacks or has besides are told, with their number', () => {
  const told = begun('continued_adapters/lycoris-locon.safetensors').warnings.map(
    ({ what }) => what,
  );
  assert.match(told.join('\n'), /has no adapter for \d+ layers/);
  assert.match(
    told.join('\n'),
    /besides what the configuration asks for, adapters for \d+ layers?: unet\.mid_block\.resnets\.0\.conv1/,
  );
});
