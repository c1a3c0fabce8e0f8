import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSafetensors, readFloat32 } from '../checkpoints/safetensors-file.ts';
import { loadConfig, parseConfig } from '../config/load.ts';
import { ConfigError, DataError, SystemError } from '../errors.ts';
import { narrowCard } from '../runtime/testing/narrow-card.ts';
import type { TrainEvent } from './events.ts';
import { requireWritable } from '../runs/run-folder.ts';
import { train } from './run.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';

const root = mkdtempSync(join(tmpdir(), 'train-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallBase(join(root, 'base'));
writeSmallBase(join(root, 'half'), { dtype: 'float16' });
await writePictures(join(root, 'data'), [
  [64, 64],
  [64, 64],
  [64, 64],
  [32, 128],
]);

const common = {
  base_model: join(root, 'base'),
  train_data_dir: join(root, 'data'),
  lora_rank: 2,
  bucket_reso_steps: 32,
  num_threads: 1,
  learning_rate: 1e-3,
};
const jobOf = (name: string, settings: object) =>
  parseConfig({ ...common, output_dir: join(root, name), ...settings });

async function run(
  name: string,
  settings: object,
  signal = new AbortController().signal,
  each: (event: TrainEvent) => void = () => {},
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(jobOf(name, settings), { signal })) {
    events.push(event);
    each(event);
  }
  return events;
}

const ofType = <K extends TrainEvent['type']>(events: readonly TrainEvent[], type: K) =>
  events.filter((event): event is Extract<TrainEvent, { type: K }> => event.type === type);
const losses = (events: readonly TrainEvent[]) => ofType(events, 'step').map(({ loss }) => loss);
const dataOf = (path: string) => {
  const bytes = readFileSync(path);
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0))).toString('base64');
};

let first: TrainEvent[];
test('a run plans, trains, saves and leaves its records', async () => {
  first = await run('a', { batch_size: 2, epochs: 2, save_steps: 4 });
  const [plan] = ofType(first, 'plan');
  assert.deepEqual(
    { steps: plan.totalSteps, epochs: plan.epochs, samples: plan.samples, shapes: plan.shapes },
    {
      steps: 6,
      epochs: 2,
      samples: 4,
      shapes: [
        { label: '32×128', count: 1 },
        { label: '64×64', count: 3 },
      ],
    },
  );
  assert.equal(losses(first).length, 6);
  assert.deepEqual(readdirSync(join(root, 'a')).sort(), [
    'a-step00000004.safetensors',
    'a.safetensors',
    'account.json',
    'config.yaml',
    'data.json',
    'logs',
    'pytorch_lora_weights.safetensors',
    'run.json',
    'state',
  ]);
  const { metadata, tensors } = openSafetensors(join(root, 'a', 'a.safetensors'));
  assert.equal(tensors.size, 3 * plan.adaptedModules);
  assert.deepEqual(
    [
      metadata.ss_output_name,
      metadata.ss_steps,
      metadata.ss_epoch,
      metadata.ss_num_train_images,
      metadata.ss_dataset_dirs,
    ],
    ['a', '6', '2', '4', '{"data": {"n_repeats": 1, "img_count": 4}}'],
  );
  assert.deepEqual(JSON.parse(metadata.ss_tag_frequency), {
    data: { cat: 4, 'hat a': 1, 'hat b': 1, 'hat c': 1, 'hat d': 1 },
  });
  const metrics = readFileSync(join(root, 'a/logs/metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).loss);
  assert.deepEqual(metrics, losses(first));
  assert.match(
    readFileSync(join(root, 'a/logs/train.log'), 'utf8'),
    /loading the base model[^]*step 6\/6 [^]*done after step 6 of 6/,
  );
  assert.deepEqual(
    loadConfig(join(root, 'a/config.yaml')).config,
    jobOf('a', { batch_size: 2, epochs: 2, save_steps: 4 }).config,
  );
});

test('the same run again gives the same adapter, and the earlier one is kept in runs/', async () => {
  const before = dataOf(join(root, 'a/a.safetensors'));
  const again = await run('a', { batch_size: 2, epochs: 2 });
  assert.deepEqual(losses(again), losses(first));
  assert.equal(dataOf(join(root, 'a/a.safetensors')), before);
  const [id] = readdirSync(join(root, 'a/runs'));
  assert.deepEqual(readdirSync(join(root, 'a/runs', id)).sort(), [
    'a-step00000004.safetensors',
    'a.safetensors',
    'account.json',
    'config.yaml',
    'data.json',
    'logs',
    'pytorch_lora_weights.safetensors',
    'run.json',
    'state',
  ]);
  assert.ok(!existsSync(join(root, 'a/a-step00000004.safetensors')));
});

test('a frozen text encoder: its states are cached, the UNet alone is trained', async () => {
  const events = await run('unet-only', {
    max_train_steps: 2,
    train_text_encoder: false,
    gradient_accumulation_steps: 3,
    tensorboard: false,
  });
  assert.ok(ofType(events, 'phase').some(({ name }) => name === 'caching text states'));
  assert.deepEqual(Object.keys(ofType(events, 'step')[0].learningRates), ['unet']);
  assert.ok(
    [...openSafetensors(join(root, 'unet-only/unet-only.safetensors')).tensors.keys()].every(
      (name) => name.startsWith('lora_unet_'),
    ),
  );
  assert.deepEqual(readdirSync(join(root, 'unet-only/logs')).sort(), [
    'metrics.jsonl',
    'timings.jsonl',
    'train.log',
  ]);
});

test('a base in half precision trains too', async () => {
  const [loss] = losses(
    await run('half-run', { base_model: join(root, 'half'), max_train_steps: 1, batch_size: 2 }),
  );
  assert.ok(Math.abs(loss - losses(first)[0]) < 0.01, `${loss}`);
});

test('aborting ends after the running step and saves', async () => {
  const stopping = new AbortController();
  const events = await run(
    'stopped',
    { max_train_steps: 1000 },
    stopping.signal,
    (event) => event.type === 'step' && event.step === 2 && stopping.abort(),
  );
  const [done] = ofType(events, 'done');
  assert.ok(done.stopped && done.step === 2 && existsSync(done.adapter ?? ''));
});

test('bad data or an unwritable folder leaves nothing behind', async () => {
  mkdirSync(join(root, 'empty'));
  await assert.rejects(run('no-data', { train_data_dir: join(root, 'empty') }), DataError);
  assert.ok(!existsSync(join(root, 'no-data')));
  writeFileSync(join(root, 'file'), '');
  await assert.rejects(
    run('file/out', {}),
    (error) => error instanceof SystemError && /part of the path is a file/.test(error.message),
  );
  // Node's recursive mkdir never returned here
  if (process.platform === 'linux')
    assert.throws(() => requireWritable('/proc/none/of/this'), SystemError);
});

test('a file of the same name that no run wrote is moved aside, not overwritten', async () => {
  mkdirSync(join(root, 'mine'));
  writeFileSync(join(root, 'mine/mine.safetensors'), 'precious');
  await run('mine', { max_train_steps: 1 });
  const [folder] = readdirSync(join(root, 'mine/runs'));
  assert.equal(
    readFileSync(join(root, 'mine/runs', folder, 'mine.safetensors'), 'utf8'),
    'precious',
  );
});

test('a loss that is not a number ends the run with advice', async () => {
  await assert.rejects(
    run('nan', {
      max_train_steps: 20,
      learning_rate: 10,
      max_grad_norm: 0,
      weight_decay: 1,
      lora_alpha: 1e30,
    }),
    /training stopped at step \d+[^]*learning_rate/,
  );
});

for (const settings of [{ learning_rate: 1e-8 }, { lora_alpha: 1e5 }, { lora_alpha: 1e-8 }])
  test(`a run with ${JSON.stringify(settings)} saves numbers that are neither 0 nor infinite`, async () => {
    const name = `narrow-${Object.values(settings)[0]}`;
    const events = await run(name, { ...settings, max_train_steps: 1, train_text_encoder: false });
    const { adapter = '' } = ofType(events, 'done')[0];
    for (const [key, tensor] of openSafetensors(adapter).tensors) {
      const { data } = readFloat32(tensor);
      assert.ok(data.every(Number.isFinite), key);
      assert.ok(
        data.some((value) => value !== 0),
        key,
      );
    }
    const told = ofType(events, 'warning').filter(({ problem }) => /float32/.test(problem.what));
    assert.equal(told.length, 'learning_rate' in settings ? 1 : told.length);
  });

test('an adapter of a v-prediction base says so, and does not pass for Stable Diffusion 2', async () => {
  writeSmallBase(join(root, 'v'));
  const path = join(root, 'v', 'scheduler', 'scheduler_config.json');
  const scheduler = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...scheduler, prediction_type: 'v_prediction' }));
  const spoken = async (name: string, base_model: string) => {
    const events = await run(name, { base_model, max_train_steps: 1 });
    const { metadata } = openSafetensors(ofType(events, 'done')[0].adapter ?? '');
    return [
      metadata.ss_v2,
      metadata.ss_base_model_version,
      metadata.ss_v_parameterization,
      metadata['modelspec.prediction_type'],
    ];
  };
  assert.deepEqual(await spoken('v-run', join(root, 'v')), ['False', 'sd_v1_v', 'True', 'v']);
  assert.deepEqual(await spoken('epsilon-run', join(root, 'base')), [
    'False',
    'sd_v1',
    undefined,
    'epsilon',
  ]);
});

test('what the base model refuses of the settings names their line, and nothing is left behind', async () => {
  const file = join(root, 'skip.yaml');
  const output_dir = join(root, 'skip');
  writeFileSync(
    file,
    Object.entries({ ...common, output_dir, train_text_encoder: false, clip_skip: 12 })
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  const { signal } = new AbortController();
  await assert.rejects(
    async () => {
      for await (const event of train(loadConfig(file), { signal })) assert.ok(event);
    },
    (error) =>
      error instanceof ConfigError && /skip\.yaml:9 clip_skip: expected/.test(error.message),
  );
  assert.ok(!existsSync(output_dir));
});

async function planOn(name: string, memory: number, settings: object = {}) {
  const job = jobOf(name, { epochs: 1, ...settings });
  const events: TrainEvent[] = [];
  for await (const event of train(job, { open: narrowCard(memory) })) events.push(event);
  const [plan] = ofType(events, 'plan');
  const { device, adapter } = JSON.parse(readFileSync(join(root, name, 'run.json'), 'utf8')) as {
    device: string; // as run.ts writes it
    adapter?: string;
  };
  return { plan, facts: { device, adapter }, warnings: ofType(events, 'warning') };
}

test('a run that has room on the graphics card says why it takes it, and records which', async () => {
  const { plan, facts } = await planOn('roomy', 2 ** 34);
  assert.equal(plan.device, 'card, Test 9000');
  assert.equal(plan.deviceReason, 'Test 9000 is there');
  assert.deepEqual(facts, { device: 'card', adapter: 'Test 9000' });
});

test('a run that has no room on the graphics card takes the processor and says why', async () => {
  const { plan, facts, warnings } = await planOn('narrow', 2 ** 10);
  assert.equal(plan.device, 'cpu, 1 thread');
  assert.match(plan.deviceReason ?? '', /takes about .* too much for the 0 MiB of card/);
  assert.deepEqual(facts, { device: 'cpu', adapter: undefined });
  const told = warnings.map(({ problem }) => JSON.stringify(problem));
  assert.equal(new Set(told).size, told.length, 'no warning twice');
});

test('a run that has no room on the card that was asked for ends with what to lower', async () => {
  await assert.rejects(planOn('asked', 2 ** 10, { device: 'webgpu' }), (error) => {
    assert.ok(error instanceof SystemError, 'a fault of the system');
    assert.match(error.message, /device: .*too much for.*Lower resolution, or write device: cpu/s);
    return true;
  });
});

test('a run whose steps had room on the card began there, and its contact sheet had none', async () => {
  const small = { resolution: 32, min_bucket_reso: 32, batch_size: 1 };
  const drawn = { ...small, sample_prompts: ['a', 'b', 'c', 'd'], sample_steps: 1 };
  const needOf = async (name: string, settings: object) =>
    (await planOn(name, 2 ** 34, settings)).plan.memoryEstimate ?? 0;
  const [alone, sheet] = [await needOf('steps', small), await needOf('sheet', drawn)];
  assert.ok(sheet > alone, `${sheet} is not more than ${alone}`);
  const between = (alone + sheet) / 2 / 0.9;
  assert.equal((await planOn('undrawn', between, small)).plan.device, 'card, Test 9000');
  const { plan } = await planOn('drawn', between, drawn);
  assert.equal(plan.device, 'cpu, 1 thread');
  assert.match(plan.deviceReason ?? '', /too much for/);
});

test('on a card with little memory fewer samples go through the model at once', async () => {
  const roomy = await planOn('most', 2 ** 34, { batch_size: 4 });
  const need = roomy.plan.memoryEstimate ?? 0;
  const narrow = await planOn('fewer', need, { batch_size: 4 });
  assert.equal(roomy.plan.microBatch, 3);
  assert.equal(narrow.plan.device, 'card, Test 9000');
  assert.ok((narrow.plan.microBatch ?? 9) < 3, `${narrow.plan.microBatch}`);
});
