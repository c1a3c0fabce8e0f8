// Batches that are not full are as large as they have samples, and train the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadStableDiffusion } from '../../checkpoints/stable-diffusion.ts';
import { parseConfig } from '../../config/load.ts';
import { noiseSchedule } from '../../models/noise-schedule.ts';
import { float32, int32, sizeOf, type Tensor } from '../../tensor/tensor.ts';
import { normals } from '../../util/philox.ts';
import type { TrainEvent } from '../events.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import { compileLoss } from '../loss-program.ts';
import type { BatchInputs } from '../loop.ts';
import { train } from '../run.ts';
import { writePictures, writeSmallBase } from '../testing/small-base.ts';
import { adaptModel } from './adapted-model.ts';
import { microBatches, shapeOf } from './batches.ts';

const root = mkdtempSync(join(tmpdir(), 'ragged-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallBase(join(root, 'base'));
await writePictures(join(root, 'data'), [
  ...Array.from({ length: 5 }, () => [64, 64] as const),
  [32, 64],
]);

const settings = {
  base_model: join(root, 'base'),
  train_data_dir: join(root, 'data'),
  output_dir: join(root, 'out'),
  lora_rank: 2,
  num_threads: 1,
  bucket_reso_steps: 8,
};
const { config } = parseConfig(settings);
const base = loadStableDiffusion(config.base_model);
const adapted = adaptModel(base.config, config);

/** Moments and captions of `count` pictures of 8×8 latents, drawn. */
function pictures(count: number) {
  const shape = [base.config.unet.in_channels, 8, 8] as const;
  const drawn = (i: number) => normals({ lo: 3, hi: 0 }, i, new Float32Array(sizeOf(shape)));
  return {
    moments: Array.from({ length: count }, (_, i) => ({
      mean: drawn(i),
      deviation: drawn(i).map(Math.abs),
      shape,
    })),
    ids: Array.from({ length: count }, (_, i) => Int32Array.of(1, 2 + i, 3, 4)),
    names: Array.from({ length: count }, (_, i) => `picture ${i}`),
  };
}

const draw = {
  seed: 7,
  noise_offset: 0,
  scalingFactor: 1,
  timesteps: base.config.scheduler.num_train_timesteps,
  schedule: noiseSchedule(base.config.scheduler),
  min_snr_gamma: 5,
  samplesPerStep: 8,
};
const partsOf = (count: number, microBatch: number) =>
  microBatches(0, [Array.from({ length: count }, (_, i) => i)], pictures(count), {
    ...draw,
    microBatch,
  });

/** The batch with copies of its last sample, which weigh nothing, up to `size`. */
function withFillers(inputs: BatchInputs, size: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape, data }]) => {
      const [count, ...rest] = shape;
      const length = sizeOf(rest);
      const values = Array.from({ length: size * length }, (_, i) => {
        if (i < count * length) return Number(data[i]);
        return name === 'sample_weights' ? 0 : Number(data[(count - 1) * length + (i % length)]);
      });
      const make = dtype === 'int32' ? int32 : float32;
      return [name, make([size, ...rest], values)];
    }),
  );
}

async function lossOf(key: string, inputs: BatchInputs) {
  const graph = adapted.lossGraph(shapeOf(key));
  const program = await compileLoss(cpuRuntime(1), graph, adapted.weights.keys(), {
    weights: base.weights,
  });
  try {
    return await program.run(inputs, adapted.weights);
  } finally {
    await program.release();
  }
}

test('a batch at its own size has the loss and gradients that it had with fillers', async () => {
  const [{ shapeKey, inputs }] = partsOf(3, 64);
  const shape = shapeOf(shapeKey);
  assert.equal(shape.size, 3);
  const filledKey = shapeKey.replace(/^3x/, '8x');
  const [own, filled] = [
    await lossOf(shapeKey, inputs),
    await lossOf(filledKey, withFillers(inputs, 8)),
  ];
  assert.ok(Math.abs(own.loss - filled.loss) < 1e-6 * Math.abs(filled.loss));
  for (const [name, gradient] of own.gradients) {
    const other = filled.gradients.get(name) ?? [];
    const scale = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
    // float32 sums in another order
    assert.ok(
      gradient.every((value, i) => Math.abs(value - other[i]) < 1e-4 * scale),
      name,
    );
  }
});

test('a batch that memory divides is divided evenly, without fillers', () => {
  const sizes = (count: number, most: number) =>
    partsOf(count, most).map(({ shapeKey }) => shapeOf(shapeKey).size);
  assert.deepEqual(sizes(8, 4), [4, 4]);
  assert.deepEqual(sizes(5, 4), [3, 2]);
  assert.deepEqual(sizes(9, 4), [3, 3, 3]);
  assert.deepEqual(sizes(3, 4), [3]);
});

test('five pictures at batch size 64 took the memory and the time of 64', async () => {
  const runOf = async (batch_size: number) => {
    const events: TrainEvent[] = [];
    const job = parseConfig({ ...settings, batch_size, max_train_steps: 2 });
    for await (const event of train(job)) events.push(event);
    const plan = events.find((event) => event.type === 'plan');
    const warnings = events.filter((event) => event.type === 'warning');
    const step = events.find((event) => event.type === 'step');
    return {
      memory: plan?.memoryEstimate,
      loss: step?.loss,
      told: warnings
        .map(({ problem: { where, what } }) => `${where}: ${what}`)
        .filter((line) => line.startsWith('batch_size')),
    };
  };
  const [five, many] = [await runOf(5), await runOf(64)];
  assert.equal(many.memory, five.memory);
  assert.equal(many.loss, five.loss);
  assert.deepEqual(many.told, [
    'batch_size: some buckets have fewer pictures than a batch of 64, so their batches are smaller: 40x88 (1), 64x64 (5)',
  ]);
});
