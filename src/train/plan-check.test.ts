import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { ConfigError } from '../errors.ts';
import { planWarnings, requireRates, type PlanFacts } from './plan-check.ts';

const root = mkdtempSync(join(tmpdir(), 'plan-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'pictures'));
writeFileSync(join(root, 'faq.jsonl'), '');
const pictures = {
  train_data_dir: join(root, 'pictures'),
  base_model: root,
  output_dir: join(root, 'out'),
};
const texts = {
  ...pictures,
  task_type: 'text-generation',
  train_data_dir: join(root, 'faq.jsonl'),
};

/** All that is said of a run of so many steps, before the first. */
function said(settings: object, totalSteps = 10, idle: PlanFacts['idle'] = {}): string {
  try {
    const job = parseConfig({ ...pictures, ...settings });
    const groups = [{ name: 'unet', learningRate: job.config.learning_rate }];
    requireRates(job, { totalSteps, groups });
    return [...job.warnings, ...planWarnings(job, { totalSteps, groups, idle })]
      .map(({ where, what }) => `${where} ${what}`)
      .join('\n');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return `refused: ${error.message}`;
  }
}

test('one step with a warm-up of one step trained at a rate of 0 and said Done', () => {
  const message = /^refused: lr_warmup_steps: nothing would be trained: in this run of 1 step/;
  for (const lr_scheduler of ['constant_with_warmup', 'linear', 'cosine', 'polynomial'])
    assert.match(said({ lr_scheduler, lr_warmup_steps: 1 }, 1), message);
  assert.doesNotMatch(said({ lr_scheduler: 'linear', lr_warmup_steps: 1 }, 2), /refused/);
});

test('a warm-up of 100 steps in a run of 3 became 3 without a word', () => {
  for (const lr_scheduler of ['constant_with_warmup', 'cosine'])
    assert.match(
      said({ lr_scheduler, lr_warmup_steps: 100 }, 3),
      /^lr_warmup_steps 100 steps of warm-up, cut to 3, in a run of 3 steps: the learning rate only rises, to \d+ %/,
    );
  assert.match(
    said({ lr_scheduler: 'cosine', lr_warmup_steps: 3 }, 3),
    /^lr_warmup_steps 3 steps of warm-up in a run of 3 steps: /,
  );
  assert.equal(said({ lr_scheduler: 'cosine', lr_warmup_steps: 2 }, 3), '');
  assert.equal(said({ lr_scheduler: 'cosine', lr_warmup_steps: 0.5 }, 3), '');
});

test('a learning rate of 0 ran to its end', () => {
  const nothing = 'nothing would be trained at a learning rate of 0';
  assert.match(said({ learning_rate: 0 }), new RegExp(`refused: learning_rate: ${nothing}`));
  assert.match(said({ ...texts, learning_rate: 0 }), new RegExp(`learning_rate: ${nothing}`));
  assert.match(
    said({ unet_lr: 0, train_text_encoder: false }),
    new RegExp(`refused: unet_lr: ${nothing}`),
  );
  assert.match(
    said({ unet_lr: 0, text_encoder_lr: 0 }),
    new RegExp(`refused: unet_lr: ${nothing}`),
  );
});

test('a text encoder with a rate of 0 was counted as trained, and zeros were written', () => {
  const { config, warnings } = parseConfig({ ...pictures, text_encoder_lr: 0 });
  assert.deepEqual([config.train_unet, config.train_text_encoder], [true, false]);
  assert.deepEqual(
    warnings.map(({ where, what }) => `${where} ${what}`),
    ['text_encoder_lr is 0: the text encoder is not trained and gets no adapters'],
  );
  assert.equal(parseConfig({ ...pictures, unet_lr: 0 }).config.train_unet, false);
  const halves = parseConfig({ ...pictures, learning_rate: 0, unet_lr: 1e-4 });
  assert.deepEqual([halves.config.train_unet, halves.config.train_text_encoder], [true, false]);
  assert.match(halves.warnings[0].where, /^learning_rate$/);
});

test('keys without effect in this run are reported, with the reason', () => {
  const cases: [settings: object, message: RegExp][] = [
    [{ lr_warmup_steps: 5 }, /^lr_warmup_steps has no effect: lr_scheduler: constant starts at/],
    [{ lr_scheduler: 'linear', lr_warmup_steps: 0.01 }, /^lr_warmup_steps has no effect: in this/],
    [{ lr_scheduler: 'constant_with_warmup' }, /those of lr_scheduler: constant$/],
    [{ lr_scheduler: 'cosine', lr_num_cycles: 3 }, /^lr_num_cycles has no effect/],
    [{ momentum: 0.9 }, /^momentum has no effect: optimizer: adamw has no such setting/],
    [{ optimizer: 'sgd', eps: 1e-6 }, /^eps has no effect: optimizer: sgd has no such setting/],
    [{ lr_power: 2 }, /^lr_power has no effect/],
    [{ epochs: 3, max_train_steps: 10 }, /^epochs has no effect: max_train_steps decides/],
    [{ save_steps: 11 }, /^save_steps has no effect: the run ends after 10 steps/],
    [{ conv_alpha: 4 }, /^conv_alpha has no effect: conv_rank is 0/],
    [{ conv_rank: 4, train_unet: false }, /^conv_rank has no effect: the UNet is not trained/],
    [{ unet_lr: 1e-3, train_unet: false }, /^unet_lr has no effect/],
    [{ text_encoder_lr: 1e-3, train_text_encoder: false }, /^text_encoder_lr has no effect/],
    [
      { learning_rate: 1e-3, unet_lr: 1e-4, text_encoder_lr: 1e-5 },
      /^learning_rate has no effect: unet_lr and text_encoder_lr/,
    ],
    [{ min_bucket_reso: 128, enable_bucket: false }, /^min_bucket_reso has no effect/],
    [{ bucket_no_upscale: true, enable_bucket: false }, /^bucket_no_upscale has no effect/],
    [{ max_bucket_reso: 512, bucket_no_upscale: true }, /^max_bucket_reso has no effect/],
    [{ sample_steps: 10 }, /^sample_steps has no effect: there are no sample_prompts/],
    [
      { sample_prompts: ['a'], sample_negative_prompt: 'b', sample_cfg: 1 },
      /^sample_negative_prompt has no effect: sample_cfg: 1/,
    ],
    [{ ...texts, sample_every: 5 }, /^sample_every has no effect: there are no/],
    [{ ...texts, sample_every: 50, sample_prompts: ['a'] }, /^sample_every has no effect: the run/],
    [{ ...texts, sample_seed: 5, sample_prompts: ['a'] }, /^sample_seed has no effect: at sample_/],
    [{ ...texts, packing: true, group_by_length: true }, /^group_by_length has no effect: packing/],
    [{ ...texts, group_by_length: true }, /^group_by_length has no effect: a batch has one row/],
    [{ ...texts, eval_general_path: texts.train_data_dir }, /^eval_general_path has no effect/],
    [{ ...texts, validation_steps: 11 }, /^validation_steps has no effect/],
    [{ ...texts, noise_offset: 0.1 }, /noise_offset is a key of task_type: image/],
    [{ packing: true }, /packing is a key of task_type: text-generation/],
  ];
  for (const [settings, message] of cases) assert.match(said(settings), message);
  assert.match(
    said({ use_ema: true }, 10, { use_ema: 'so it is' }),
    /^use_ema has no effect: so it/,
  );
});

test('a run that ends within its first epoch is reported of, once', () => {
  const job = parseConfig({ ...pictures, max_train_steps: 3 });
  const toldAt = (stepsPerEpoch: number | undefined) =>
    planWarnings(job, { totalSteps: 3, stepsPerEpoch, groups: [] }).map(({ what }) => what);
  assert.deepEqual(toldAt(4), [
    '3: the run ends before all of the data is seen once: an epoch has 4 steps',
  ]);
  assert.deepEqual([toldAt(3), toldAt(undefined)], [[], []]);
});

test('a key that says what would follow from the others is not called needless', () => {
  const settings = { sample_seed: 42, conv_alpha: 0, momentum: 0, unet_lr: 1e-4, lora_alpha: 16 };
  assert.equal(said(settings), '');
  assert.match(said({ ...settings, seed: 1 }), /^sample_seed has no effect/);
});

test('a configuration whose keys all have an effect, and one of defaults, say nothing', () => {
  assert.equal(said({}), '');
  assert.equal(said(texts), '');
  const settings = {
    lr_scheduler: 'cosine_with_restarts',
    lr_num_cycles: 2,
    lr_warmup_steps: 0.1,
    save_steps: 5,
    learning_rate: 1e-3,
    text_encoder_lr: 1e-4,
    sample_prompts: ['a'],
    sample_seed: 3,
  };
  assert.equal(said(settings, 100_000), '');
});

test('a key of the other task was a warning twice', () => {
  for (const settings of [
    { ...texts, sample_cfg: 3 },
    { ...texts, conv_alpha: 3, unet_lr: 1 },
    { sample_temperature: 1, sample_max_tokens: 4 },
    { group_by_length: true, eval_general_path: join(root, 'faq.jsonl') },
  ])
    assert.match(said(settings), /^[^\n]* no effect with task_type: [^\n]*$/);
});

test('four keys without effect for one reason were four warnings', () => {
  assert.equal(
    said({ sample_cfg: 3, sample_steps: 2, sample_seed: 4, sample_negative_prompt: 'x' }),
    'sample_cfg, sample_steps, sample_seed and 1 more (4 in all) have no effect: there are no sample_prompts',
  );
  assert.match(
    said({ enable_bucket: false, min_bucket_reso: 64, bucket_reso_steps: 8 }),
    /^[^\n]*$/,
  );
});

test('a setting of another schedule was answered with the learning rates of this run', () => {
  const lr_scheduler = 'cosine';
  assert.match(
    said({ lr_scheduler, lr_num_cycles: 3 }),
    /^lr_num_cycles has no effect: only lr_scheduler: cosine_with_restarts uses it$/,
  );
  assert.match(
    said({ lr_scheduler, lr_power: 2 }),
    /^lr_power has no effect: only lr_scheduler: polynomial uses it$/,
  );
});
