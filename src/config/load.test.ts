// A YAML file and overrides: what is read, and where it is said what is wrong.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { loadConfig, parseConfig } from './load.ts';
import { file, folder, good, problemsOf, yaml } from './load.test-util.ts';

test('defaults follow from other keys', () => {
  const { config } = loadConfig(
    file(yaml({ ...good, lora_rank: 12, learning_rate: '1e-3', seed: 7 })),
  );
  assert.equal(config.lora_alpha, 12);
  assert.equal(config.conv_alpha, 0);
  assert.equal(config.unet_lr, 1e-3);
  assert.equal(config.text_encoder_lr, 1e-3);
  assert.equal(config.output_name, 'brand_lora');
  assert.equal(config.sample_seed, 7);
  assert.equal(config.caption_extension, '.txt');
  assert.equal(config.train_text_encoder, true);
  assert.equal(config.weight_decay, 0.01);
});

test('every key of the mission is known', () => {
  const all = {
    ...good,
    metadata_path: 'list.csv',
    lora_rank: 8,
    batch_size: 2,
    epochs: 3,
    learning_rate: 1e-4,
    save_steps: 10,
    task_type: 'image',
    max_seq_length: 256,
  };
  const { config } = loadConfig(file(yaml(all)));
  assert.equal(config.save_steps, 10);
  assert.equal(config.max_seq_length, 256);
});

test('quoted numbers, single prompts and every form of a size are read', () => {
  const read = (values: object) => loadConfig(file(yaml({ ...good, ...values }))).config;
  assert.equal(read({ learning_rate: '"1e-4"' }).learning_rate, 1e-4);
  assert.equal(read({ enable_bucket: '"False"' }).enable_bucket, false);
  assert.deepEqual(read({ sample_prompts: 'a red car' }).sample_prompts, ['a red car']);
  assert.deepEqual(read({ betas: '[0.8, 0.99]' }).betas, [0.8, 0.99]);
  assert.deepEqual(read({ resolution: 768 }).resolution, [768, 768]);
  assert.deepEqual(read({ resolution: '"768,512"' }).resolution, [768, 512]);
  assert.deepEqual(read({ resolution: '[768, 512]' }).resolution, [768, 512]);
  assert.equal(read({ caption_extension: 'caption' }).caption_extension, '.caption');
});

test('overrides are text as on the command line, and replace the file', () => {
  const overrides = {
    learning_rate: '2e-4',
    betas: '0.8,0.9',
    train_text_encoder: 'false',
    sample_prompts: ['a', 'b'],
  };
  const { config } = loadConfig(file(yaml({ ...good, learning_rate: 'wrong' })), overrides);
  assert.equal(config.learning_rate, 2e-4);
  assert.deepEqual(config.betas, [0.8, 0.9]);
  assert.equal(config.train_text_encoder, false);
  assert.deepEqual(config.sample_prompts, ['a', 'b']);
  assert.deepEqual(problemsOf(yaml(good), { batch_size: 'many' }), [
    '--batch-size: expected a whole number from 1 to 4096; found "many"',
  ]);
});

test('all problems are told at once, in the order of the file', () => {
  const text = yaml({
    train_data_dir: './nowhere',
    base_model: './base',
    learning_rate: '"fast"',
    network_dim: 8,
    epocs: 3,
    batch_size: 0,
    lr_scheduler: 'cosin',
    train_unet_only: true,
  });
  assert.deepEqual(
    problemsOf(text).map((line) => line.split(' (')[0]),
    [
      'brand_lora.yaml:1 train_data_dir: there is no such folder: ./nowhere',
      'brand_lora.yaml:3 learning_rate: expected a number from 0 to 10; found "fast"',
      'brand_lora.yaml:4 network_dim: there is no such key',
      'brand_lora.yaml:5 epocs: there is no such key',
      'brand_lora.yaml:6 batch_size: expected a whole number from 1 to 4096; found 0',
      'brand_lora.yaml:7 lr_scheduler: expected one of constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial; found "cosin"',
      'brand_lora.yaml:8 train_unet_only: there is no such key',
      'brand_lora.yaml output_dir: is missing',
    ],
  );
  const fixes = problemsOf(text).join('\n');
  assert.match(fixes, /Here it is called lora_rank\./);
  assert.match(fixes, /Did you mean epochs\?/);
  assert.match(fixes, /Did you mean cosine\?/);
  assert.match(fixes, /Set train_text_encoder to false/);
  assert.match(fixes, /Looked at .*nowhere and at .*nowhere/);
});

test('files that are no configuration', () => {
  assert.deepEqual(problemsOf(''), [
    'brand_lora.yaml: the file is empty (Examples are in configs/.)',
  ]);
  assert.deepEqual(problemsOf('# nothing\n'), [
    'brand_lora.yaml: the file is empty (Examples are in configs/.)',
  ]);
  assert.match(problemsOf('- a\n- b\n')[0], /expected lines of the form "key: value"/);
  assert.match(problemsOf('just text')[0], /expected lines of the form "key: value"/);
  assert.match(
    problemsOf(`${yaml(good)}\nlora_rank: [1, 2\nseed: 3`)[0],
    /^brand_lora.yaml:[45]: not valid YAML: /,
  );
  assert.deepEqual(problemsOf(`${yaml(good)}\nseed: 1\nseed: 2`), [
    'brand_lora.yaml:5: seed is there twice (Keep one of the two lines.)',
  ]);
  assert.match(
    problemsOf(`${yaml(good)}\nsample_prompts:\n\t- a`)[0],
    /brand_lora.yaml:5: a tab where YAML expects spaces/,
  );
  assert.match(
    problemsOf(`${yaml(good)}\nseed: *gone`)[0],
    /^brand_lora.yaml:4: \*gone stands for an earlier value/,
  );
  assert.throws(
    () => loadConfig(join(folder, 'missing.yaml')),
    /missing\.yaml: there is no such file/,
  );
  assert.throws(() => loadConfig(folder), /this is a folder; expected a YAML file/);
});

test(
  'a file that cannot be read',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  () => {
    const path = file(yaml(good));
    chmodSync(path, 0);
    assert.throws(() => loadConfig(path), /permission denied/);
    chmodSync(path, 0o600);
  },
);

test('paths are taken from the current folder, or else from the folder of the file', () => {
  const path = relative(process.cwd(), file(yaml(good)));
  assert.equal(
    loadConfig(path).config.train_data_dir,
    join(relative(process.cwd(), folder), 'pictures'),
  );
  assert.equal(loadConfig(path).config.output_dir, './output/brand_lora');
  assert.equal(
    parseConfig({ ...good, train_data_dir: 'src', base_model: 'src' }).config.train_data_dir,
    'src',
  );
  assert.match(
    problemsOf(yaml({ ...good, train_data_dir: './list.csv' }))[0],
    /list.csv is a file of texts; expected a folder of pictures/,
  );
  assert.match(
    problemsOf(yaml({ ...good, base_model: 'someone/model' }))[0],
    /no such file or folder: someone\/model.*name on Hugging Face/,
  );
});
