// What goes wrong while a run is at work, made to happen.

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { readFacts } from '../runs/facts.ts';
import { float32 } from '../tensor/tensor.ts';
import type { TrainEvent } from './events.ts';
import { trainingSteps } from './loop.ts';
import { Optimiser } from './optimiser.ts';
import { train } from './run.ts';
import { remains, type Settings } from './testing/killed-runs.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'guards-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallLanguageModel(join(root, 'llm'));
const data = join(root, 'texts.jsonl');
const turn = (n: number) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `where is hat ${n}?` },
      { role: 'assistant', content: `hat ${n} is here.` },
    ],
  });
writeFileSync(data, [0, 1, 2, 3].map((n) => `${turn(n)}\n`).join(''));
const texts = {
  task_type: 'text-generation',
  base_model: join(root, 'llm'),
  train_data_dir: data,
  ...{ lora_rank: 2, max_train_steps: 6, save_steps: 2, learning_rate: 1e-3 },
  ...{ max_seq_length: 96, num_threads: 1 },
};
const at = (name: string) => join(root, name, 'neon');

async function run(name: string, settings: Settings, each: (event: TrainEvent) => void = () => {}) {
  const events: TrainEvent[] = [];
  const job = parseConfig({ ...texts, output_dir: at(name), ...settings });
  for await (const event of train(job)) {
    events.push(event);
    each(event);
  }
  const told = events.flatMap((event) => (event.type === 'warning' ? [event.problem] : []));
  return told.map(({ where, what, fix }) => `${where}: ${what}. ${fix ?? ''}`).join('\n');
}

const afterStep = (step: number, act: () => void) => (event: TrainEvent) => {
  if (event.type === 'step' && event.step === step) act();
};

await run('whole', {});
const whole = remains(at('whole'));

test('a loss that is not finite once: the step is skipped, its samples are named, the next goes on', async () => {
  const weight = float32([1], [1]);
  const parameters = new Map([['w', weight]]);
  const schedule = { lr_scheduler: 'constant', lr_warmup_steps: 0, lr_num_cycles: 1, lr_power: 1 };
  const rule = { optimizer: 'sgd', betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, momentum: 0 };
  const optimiser = new Optimiser([{ name: 'all', learningRate: 1, parameters }], {
    ...({ ...schedule, ...rule } as const),
    lr_scheduler: 'constant',
    optimizer: 'sgd',
    betas: [0.9, 0.999],
    max_grad_norm: 0,
    totalSteps: 6,
  });
  const losses = [1, NaN, 1, NaN, Infinity, NaN];
  const seen: (readonly [number, number, boolean])[] = [];
  const steps = trainingSteps({
    optimiser,
    batchesAt: (step) => [step],
    lossOf: async (step) => ({
      loss: losses[step],
      gradients: new Map([['w', Float32Array.of(0.25)]]),
    }),
    unsound: ({ step, batches }) => new Error(`step ${step}, sample ${batches.join()}`),
    tolerated: 2,
  });
  await assert.rejects(async () => {
    for await (const { step, skipped } of steps)
      seen.push([step, weight.data[0], skipped !== undefined]);
  }, /step 6, sample 5/);
  assert.deepEqual(seen, [
    [1, 0.75, false],
    [2, 0.75, true],
    [3, 0.5, false],
    [4, 0.5, true],
    [5, 0.5, true],
  ]);
  assert.deepEqual(optimiser.save().updates, 2);
});

test('three in a row end the run, its state intact; the next start goes on from it', async () => {
  const huge = { learning_rate: 10, optimizer: 'sgd', max_grad_norm: 0, lora_alpha: 1e12 };
  await assert.rejects(
    run('diverged', huge),
    /training stopped at step \d+: .*state of step \d+ is saved/s,
  );
  const { starts = [] } = readFacts(at('diverged')) ?? {};
  assert.equal(starts.at(-1)?.ended?.how, 'diverged');
  const recorded = () =>
    readFileSync(join(at('diverged'), 'logs/metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
  const skipped = (all: readonly string[]) =>
    all.filter((line) => JSON.parse(line).skipped === true).length;
  assert.equal(skipped(recorded()), 2);
  // the next start may skip as many again
  await assert.rejects(run('diverged', { ...huge, learning_rate: 1 }), /training stopped at step/);
  assert.equal(skipped(recorded()), 4);
});

test('a disk that refuses a state in between: told once, tried again, the run goes on', async () => {
  const state = join(at('refused'), 'state');
  const warnings = await run('refused', { save_minutes: 1e-6 }, (event) => {
    if (event.type !== 'step') return;
    if (event.step === 2) {
      rmSync(state, { recursive: true });
      writeFileSync(state, 'a file where a folder should be');
    }
    if (event.step === 5) unlinkSync(state);
  });
  assert.equal(warnings.match(/The run goes on, and tries again later/g)?.length, 1);
  assert.deepEqual(remains(at('refused')), whole);
});

test('a folder that vanishes while a run is at work is made again, and that is said', async () => {
  const warnings = await run(
    'vanished',
    {},
    afterStep(3, () => rmSync(at('vanished'), { recursive: true })),
  );
  assert.match(warnings, /the folder of the run vanished/);
  assert.ok(existsSync(join(at('vanished'), 'adapter_model.safetensors')));
  assert.ok(readFacts(at('vanished'))?.finished !== undefined);
});

test('a second process in the folder of a run is refused after a while, and disturbs nothing', async () => {
  let second: Promise<unknown> | undefined;
  const slow = { max_train_steps: 6 };
  await run('taken', slow, (event) => {
    if (event.type === 'step' && event.step === 1)
      second = run('taken', slow).then(
        () => 'it ran',
        (error: unknown) => String(error),
      );
  });
  // the first is done by the time that the second stops waiting: it begins a run of its own
  assert.equal(await second, 'it ran');
  assert.deepEqual(remains(at('taken')), whole);
});

test('a picture that is deleted or changed while a run is at work changes nothing of it', async () => {
  writeSmallBase(join(root, 'sd'));
  const settings = {
    ...{ base_model: join(root, 'sd'), lora_rank: 2, bucket_reso_steps: 32, num_threads: 1 },
    ...{ task_type: 'image', max_train_steps: 4, save_steps: 0, learning_rate: 1e-3 },
    max_seq_length: undefined,
  };
  const own = async (name: string) => {
    mkdirSync(join(root, name), { recursive: true });
    await writePictures(join(root, name), [
      [64, 64],
      [64, 64],
    ]);
    return { ...settings, train_data_dir: join(root, name) };
  };
  await run('p-left', await own('left'));
  const changed = await own('changed');
  await run(
    'p-changed',
    changed,
    afterStep(1, () => rmSync(changed.train_data_dir, { recursive: true })),
  );
  assert.deepEqual(remains(at('p-changed')), remains(at('p-left')));
});
