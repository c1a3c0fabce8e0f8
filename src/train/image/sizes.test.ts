// Which sizes are trained, and which are refused and why.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadStableDiffusion } from '../../checkpoints/stable-diffusion.ts';
import { parseConfig } from '../../config/load.ts';
import { ConfigError, DataError } from '../../errors.ts';
import {
  stableDiffusion15,
  type StableDiffusionConfig,
} from '../../models/stable-diffusion-config.ts';
import type { TrainEvent } from '../events.ts';
import { train } from '../run.ts';
import { writePictures } from '../testing/small-base.ts';
import { readPictures } from './samples.ts';
import { withResolution } from './sizes.ts';

const root = mkdtempSync(join(tmpdir(), 'sizes-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
await writePictures(join(root, 'wide'), [[320, 192]]);
await writePictures(join(root, 'odd'), [[200, 328]]);
await writePictures(join(root, 'speck'), [[5, 90]]);

const tiny = 'models/tiny-sd';
const tinyConfig = loadStableDiffusion(tiny).config;
const jobOf = (settings: object) =>
  parseConfig({
    base_model: tiny,
    train_data_dir: join(root, 'wide'),
    output_dir: join(root, 'out'),
    ...settings,
  });
const look = (settings: object, model: StableDiffusionConfig) =>
  readPictures(jobOf(settings), model);

test('resolution and bucket limits follow the base model when the file says nothing', () => {
  const limits = (values: object, model?: StableDiffusionConfig) => {
    const { resolution, min_bucket_reso, max_bucket_reso, bucket_reso_steps } = withResolution(
      jobOf(values).config,
      model,
    );
    return [...resolution, min_bucket_reso, max_bucket_reso, bucket_reso_steps];
  };
  assert.deepEqual(limits({}), [512, 512, 256, 1024, 64]);
  assert.deepEqual(limits({}, tinyConfig), [128, 128, 64, 256, 8]);
  assert.deepEqual(limits({ resolution: 768 }, tinyConfig), [768, 768, 256, 1024, 64]);
  assert.deepEqual(limits({ min_bucket_reso: 320 }), [512, 512, 320, 1024, 64]);
});

test('sound resolutions were refused: "takes pictures whose sides are multiples of 64"', async () => {
  const resolutions = [192, 200, 320, 448, 500, 1000, '512,384', '448,320', '200,328', [331, 509]];
  for (const model of [tinyConfig, stableDiffusion15])
    for (const resolution of resolutions)
      for (const bucket_reso_steps of [undefined, 8, 16, 24, 40, 64])
        for (const bucket_no_upscale of [false, true]) {
          const settings = { resolution, bucket_reso_steps, bucket_no_upscale };
          const { pictures } = await look(settings, model);
          assert.ok(
            pictures[0].bucket.every((side) => side > 0 && side % 8 === 0),
            `${JSON.stringify(settings)} ${pictures[0].bucket}`,
          );
        }
});

test('a size that the model cannot take is refused with its key and the true reason', async () => {
  const refused = async (settings: object, model = stableDiffusion15) => {
    const error = await look(settings, model).catch((e: unknown) => e);
    assert.ok(error instanceof ConfigError, `${JSON.stringify(settings)} is accepted`);
    return error.message;
  };
  assert.match(
    await refused({ bucket_reso_steps: 20 }),
    /^bucket_reso_steps: the autoencoder .* multiples of 8, and 20 is not/,
  );
  assert.match(
    await refused({ enable_bucket: false, resolution: 500 }),
    /^resolution: 500x500 cannot be trained without buckets: .* multiples of 8/,
  );
  assert.match(await refused({ min_bucket_reso: 640 }), /^min_bucket_reso: /);
  assert.match(await refused({ max_bucket_reso: 128 }), /^max_bucket_reso: /);
  assert.match(await refused({ resolution: 100, bucket_reso_steps: 128 }), /^bucket_reso_steps: /);
  // the embedded base's autoencoder takes multiples of 4
  await look({ bucket_reso_steps: 20 }, tinyConfig);
  await look({ enable_bucket: false, resolution: 500 }, tinyConfig);
});

test('what is rounded is reported', async () => {
  const told = async (settings: object) =>
    (await look(settings, stableDiffusion15)).warnings
      .filter(({ where }) => !where.includes('png'))
      .map(({ where, what }) => `${where}: ${what}`);
  assert.deepEqual(await told({ min_bucket_reso: 200, max_bucket_reso: 1000 }), [
    'min_bucket_reso: 200 is not a multiple of 64; 192 is used',
    'max_bucket_reso: 1000 is not a multiple of 64; 1024 is used',
  ]);
  assert.match(
    (await told({ resolution: 500 }))[0],
    /there is no bucket of 500x500, .* at 480x480/,
  );
  assert.deepEqual(await told({ resolution: 448 }), []);
});

test('a picture cut by more than a tenth is named, with its share', async () => {
  const { warnings } = await look({ enable_bucket: false, resolution: 128 }, tinyConfig);
  assert.deepEqual(
    warnings.map(({ where, what }) => `${where}: ${what}`),
    ['p0.png (320x192, 39.9 %): more than 10 % of the picture is cropped away to fit its bucket'],
  );
  assert.deepEqual(
    (await look({ resolution: 320, bucket_reso_steps: 16 }, tinyConfig)).warnings,
    [],
  );
});

test('a picture smaller than the model takes is enlarged, or refused where that is forbidden', async () => {
  const settings = { train_data_dir: join(root, 'speck') };
  const { pictures } = await look(settings, stableDiffusion15);
  assert.ok(pictures[0].bucket[0] >= 8);
  await assert.rejects(
    look({ ...settings, bucket_no_upscale: true }, stableDiffusion15),
    (error) => error instanceof DataError && /\(5x90\): is smaller than 8x8/.test(error.message),
  );
  const { pictures: allowed } = await look({ ...settings, bucket_no_upscale: true }, tinyConfig);
  assert.deepEqual(allowed[0].bucket[0], 4);
});

test('200x328 is trained, the latents 50x82, which no level of the UNet halves evenly', async () => {
  const job = jobOf({
    train_data_dir: join(root, 'odd'),
    output_dir: join(root, 'odd-run'),
    resolution: '200,328',
    bucket_reso_steps: 8,
    max_train_steps: 1,
    num_threads: 1,
    lora_rank: 1,
  });
  const events: TrainEvent[] = [];
  for await (const event of train(job)) events.push(event);
  const plan = events.find((event) => event.type === 'plan');
  assert.deepEqual(plan?.shapes, [{ label: '200×328', count: 1 }]);
  const step = events.find((event) => event.type === 'step');
  assert.ok(step !== undefined && step.loss > 0 && step.gradNorm > 0);
});
