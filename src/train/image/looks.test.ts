import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { parseConfig } from '../../config/load.ts';
import { readFacts } from '../../runs/facts.ts';
import type { TrainEvent } from '../events.ts';
import { train } from '../run.ts';
import { writePictures, writeSmallBase } from '../testing/small-base.ts';

const root = mkdtempSync(join(tmpdir(), 'looks-'));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
after(() => rmSync(root, { recursive: true, force: true }));
writeSmallBase(join(root, 'base'), { tokens: 16 });
const square = [64, 64] as const;
await writePictures(join(root, 'data'), [square, square, square, square, [32, 64], square]);
await writePictures(join(root, 'others'), [square, square, [64, 32]]);

const common = {
  base_model: join(root, 'base'),
  train_data_dir: join(root, 'data'),
  train_text_encoder: false,
  batch_size: 2,
  lora_rank: 2,
  num_threads: 1,
  tensorboard: false,
  sample_steps: 2,
  sample_cfg: 1,
  learning_rate: 1e-3,
};

async function run(
  name: string,
  settings: object,
  stopAfter?: (event: TrainEvent) => boolean,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  const stopping = new AbortController();
  const job = parseConfig({ ...common, output_dir: join(root, name), ...settings });
  for await (const event of train(job, { signal: stopping.signal })) {
    events.push(event);
    if (stopAfter?.(event) === true) stopping.abort();
  }
  return events;
}

const ofType = <K extends TrainEvent['type']>(events: readonly TrainEvent[], type: K) =>
  events.filter((event): event is Extract<TrainEvent, { type: K }> => event.type === type);
const adapterOf = (name: string) => readFileSync(join(root, name, `${name}.safetensors`));
const told = (events: readonly TrainEvent[]) =>
  ofType(events, 'warning').map(({ problem }) => `${problem.where}: ${problem.what}`);

let seen: TrainEvent[];
test('a run of pictures is validated on those held back, draws previews and ends with a verdict', async () => {
  seen = await run('seen', {
    max_train_steps: 4,
    validation_split: 0.3,
    sample_prompts: ['a cat', 'a hat'],
    sample_every: 2,
  });
  const validations = ofType(seen, 'validation');
  assert.deepEqual(
    validations.map(({ step, losses, pictures }) => [step, losses.length, pictures?.count]),
    [0, 1, 2, 3, 4].map((step) => [step, 16, 2]),
  );
  for (const { loss, trainLoss, pictures } of validations) {
    assert.ok(loss > 0 && trainLoss > 0);
    assert.deepEqual(
      pictures?.bands.map(({ timestep }) => timestep),
      [62, 187, 312, 437, 562, 687, 812, 937],
    );
    const bands = pictures?.bands ?? [];
    const mean = bands.reduce((sum, band) => sum + band.loss, 0) / bands.length;
    assert.ok(Math.abs(mean - loss) < 1e-9 * loss, `${mean} and ${loss}`);
  }
  assert.equal(ofType(seen, 'plan')[0].samples, 4);
  assert.match(
    ofType(seen, 'plan')[0].validation ?? '',
    /after every step on 2 pictures held back, about 10 times the training's time/,
  );
  const samples = ofType(seen, 'sample');
  assert.deepEqual(samples.map(({ step }) => step).sort(), [0, 0, 2, 2, 4, 4]);
  for (const { file, nearest } of samples) {
    assert.ok(file !== undefined && existsSync(file));
    assert.match(nearest?.name ?? '', /^p\d\.png$/);
  }
  const [verdict] = ofType(seen, 'verdict').slice(-1);
  assert.equal(verdict.final, true);
  assert.match(verdict.verdict.reasons[0], /2 pictures that are not trained \(8 timesteps each/);
});

test('the strip is one picture with a column for each step; the page needs nothing else', async () => {
  const { results } = ofType(seen, 'done')[0];
  assert.deepEqual(Object.keys(results), ['contact sheet', 'previews', 'previews page']);
  const { width = 0, height = 0 } = await sharp(results.previews).metadata();
  assert.ok(width >= 3 * 160 && height >= 2 * 160, `${width} x ${height}`);
  const page = readFileSync(results['previews page'], 'utf8');
  assert.equal(page.match(/<img [^>]*src="data:image\/png;base64,/g)?.length, 6);
  assert.doesNotMatch(page, /<script|src="(?!data:)|href=|url\(/);
});

test('what is looked at between the steps changes no bit of what is trained', async () => {
  const settings = { max_train_steps: 4, sample_prompts: ['a cat'] };
  await run('plain', settings);
  await run('watched', {
    ...settings,
    output_name: 'watched',
    sample_every: 1,
    validation_data: [join(root, 'others')],
    validation_steps: 1,
  });
  const [plain, watched] = [adapterOf('plain'), adapterOf('watched')].map(tensorsOf);
  assert.ok(watched.equals(plain), 'the adapters differ');
});

/** Without the head, in which the run's name stands. */
const tensorsOf = (file: Buffer): Buffer => file.subarray(8 + Number(file.readBigUInt64LE(0)));

test('the loss before the first step is the same in every run, whatever is trained how', async () => {
  const settings = { validation_data: [join(root, 'others')], max_train_steps: 1 };
  const [one, two] = [
    await run('one', settings),
    await run('two', { ...settings, learning_rate: 1e-2, batch_size: 3 }),
  ].map((events) => ofType(events, 'validation'));
  assert.equal(two[0].loss, one[0].loss);
  assert.notEqual(two[1].loss, one[1].loss);
  assert.equal(one[0].pictures?.count, 3);
});

test('a picture that is held back has no twin among those that are trained, however it was cut', async () => {
  const folder = join(root, 'twins');
  await writePictures(folder, [square, square, square]);
  const rows = ['p0', 'p1', 'p2'].flatMap((name) => [`${name}.png`, `${name}b.png`]);
  for (const name of ['p0', 'p1', 'p2'])
    await sharp(join(folder, `${name}.png`))
      .flop()
      .linear(0.9, 5)
      .toFile(join(folder, `${name}b.png`));
  writeFileSync(
    join(folder, 'metadata.csv'),
    `filename,prompt\n${rows.map((row) => `${row},cat`).join('\n')}\n`,
  );
  for (const seed of [1, 2, 3, 4]) {
    const settings = { train_data_dir: folder, max_train_steps: 1, seed };
    const events = await run('split', { ...settings, validation_split: 0.34 });
    assert.equal(ofType(events, 'plan')[0].samples, 4);
    assert.equal(ofType(events, 'validation')[0].pictures?.count, 2);
  }
});

test('too few pictures to hold any back are told, and so are pictures that are trained too', async () => {
  const one = join(root, 'single');
  await writePictures(one, [square]);
  const alone = await run('alone', {
    train_data_dir: one,
    max_train_steps: 1,
    validation_split: 0.2,
  });
  assert.match(told(alone).join('\n'), /validation_split: leaves nothing to validate on: there is/);
  assert.equal(ofType(alone, 'validation').length, 0);
  const few = await run('few', { max_train_steps: 1, validation_split: 0.05 });
  assert.match(told(few).join('\n'), /holds back 1 of 6 pictures, the fewest there can be/);
  copyFileSync(join(root, 'data/p3.png'), join(root, 'others/p1.png'));
  const leaked = await run('leaked', {
    max_train_steps: 1,
    validation_data: [join(root, 'others')],
  });
  assert.match(told(leaked).join('\n'), /p\d\.png \(like p3\.png\).*is in the training data too/);
});

test('a run that was stopped between and during looks ends with the same looks, strip and verdict', async () => {
  const settings = {
    max_train_steps: 4,
    validation_split: 0.3,
    validation_steps: 1,
    sample_prompts: ['a cat'],
    sample_every: 1,
  };
  const whole = await run('whole', settings);
  const stops: ((event: TrainEvent) => boolean)[] = [
    (event) => event.type === 'step' && event.step === 1,
    (event) => event.type === 'validation' && event.step === 2,
    (event) => event.type === 'phase' && event.name === 'drawing previews' && event.done === 1,
  ];
  const parts: TrainEvent[] = [];
  for (const stop of stops) parts.push(...(await run('parts', settings, stop)));
  parts.push(...(await run('parts', settings)));
  const last = (events: readonly TrainEvent[]) => ofType(events, 'verdict').at(-1)?.verdict;
  assert.deepEqual(last(parts), last(whole));
  const strip = (name: string) => readFileSync(join(root, name, 'previews.png'));
  assert.ok(strip('parts').equals(strip('whole')), 'the strips differ');
  const looks = (name: string) =>
    readFileSync(join(root, name, 'logs/metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((text) => ({ ...(JSON.parse(text) as object), time: 0 }))
      .filter((entry) => 'validation_loss' in entry);
  assert.deepEqual(looks('parts'), looks('whole'));
  const [stopped, unstopped] = ['parts', 'whole'].map((name) => tensorsOf(adapterOf(name)));
  assert.ok(stopped.equals(unstopped), 'the adapters differ');
});

test('stop_when_overfit ends a run whose loss on what is held back has risen at three looks', async () => {
  const settings = { learning_rate: 0.3, lr_scheduler: 'constant', max_train_steps: 12 };
  const data = { validation_split: 0.3, validation_steps: 1, lora_rank: 8 };
  const on = await run('ended', { ...settings, ...data, stop_when_overfit: true });
  const last = ofType(on, 'step').at(-1)?.step ?? 0;
  assert.ok(last < 12, `${last} steps`);
  const [done] = ofType(on, 'done');
  assert.deepEqual([done.stopped, done.step], [false, last]);
  assert.match(done.ended ?? '', /^Best at step \d+; later steps do worse/);
  assert.ok(done.adapter !== undefined && existsSync(done.adapter));
  const best = Number(/step (\d+)/.exec(done.ended ?? '')?.[1]);
  assert.deepEqual(done.best, {
    step: best,
    adapter: join(root, 'ended', `ended-step${String(best).padStart(8, '0')}.safetensors`),
  });
  const { checkpoints = [] } = readFacts(join(root, 'ended')) ?? {};
  assert.deepEqual(
    checkpoints.map(({ step, asBest, final }) => [step, asBest === true, final]),
    [
      [best, true, false],
      [last, false, true],
    ],
  );
  assert.ok(checkpoints.every(({ validationLoss = Infinity }) => validationLoss < 10));
  const off = await run('on', { ...settings, ...data });
  assert.equal(ofType(off, 'step').length, 12);
});
