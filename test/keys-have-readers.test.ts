// No key without a reader: each key of the configuration with the file that acts by it. `device`
// and `optimizer` once had none.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import ts from 'typescript';
import { configKeys, type ConfigKey } from '../src/config/schema.ts';

/** Paths in src/. A new key does not compile until it is here. */
const readers: { readonly [K in ConfigKey]: string } = {
  task_type: 'train/run.ts',
  base_model: 'train/image/task.ts',
  use_ema: 'train/image/task.ts',
  clip_skip: 'train/image/adapted-model.ts',
  train_data_dir: 'train/image/samples.ts',
  metadata_path: 'train/image/samples.ts',
  caption_extension: 'train/image/samples.ts',
  resolution: 'train/image/sizes.ts',
  enable_bucket: 'train/image/sizes.ts',
  min_bucket_reso: 'train/image/sizes.ts',
  max_bucket_reso: 'train/image/sizes.ts',
  bucket_reso_steps: 'train/image/sizes.ts',
  bucket_no_upscale: 'train/image/sizes.ts',
  cache_latents: 'train/image/task.ts',
  train_data: 'dataset/text/configured.ts',
  max_seq_length: 'dataset/text/configured.ts',
  excess_length: 'dataset/text/configured.ts',
  chat_template: 'train/text/data.ts',
  template_date: 'train/text/data.ts',
  train_on: 'dataset/text/configured.ts',
  packing: 'train/text/task.ts',
  group_by_length: 'train/text/task.ts',
  validation_data: 'dataset/text/configured.ts',
  validation_split: 'dataset/text/configured.ts',
  validation_steps: 'train/text/task.ts',
  batch_size: 'train/image/batches.ts',
  gradient_accumulation_steps: 'train/image/batches.ts',
  epochs: 'train/run.ts',
  max_train_steps: 'train/run.ts',
  seed: 'train/image/task.ts',
  gradient_checkpointing: 'train/text/task.ts',
  device: 'train/run.ts',
  num_threads: 'train/run.ts',
  lora_rank: 'adapters/language-targets.ts',
  lora_alpha: 'adapters/language-targets.ts',
  conv_rank: 'adapters/stable-diffusion-targets.ts',
  conv_alpha: 'adapters/stable-diffusion-targets.ts',
  train_unet: 'adapters/stable-diffusion-targets.ts',
  train_text_encoder: 'adapters/stable-diffusion-targets.ts',
  target_modules: 'adapters/language-targets.ts',
  rank_pattern: 'adapters/language-targets.ts',
  alpha_pattern: 'adapters/language-targets.ts',
  use_rslora: 'adapters/language-targets.ts',
  lora_dropout: 'train/text/adapted-model.ts',
  learning_rate: 'train/text/adapted-model.ts',
  unet_lr: 'train/image/adapted-model.ts',
  text_encoder_lr: 'train/image/adapted-model.ts',
  optimizer: 'train/optimiser.ts',
  momentum: 'optim/sgd.ts',
  betas: 'optim/adamw.ts',
  weight_decay: 'optim/adamw.ts',
  eps: 'optim/adamw.ts',
  max_grad_norm: 'train/optimiser.ts',
  lr_scheduler: 'optim/schedule.ts',
  lr_warmup_steps: 'optim/schedule.ts',
  lr_num_cycles: 'optim/schedule.ts',
  lr_power: 'optim/schedule.ts',
  noise_offset: 'train/image/noisy-batch.ts',
  min_snr_gamma: 'train/image/task.ts',
  output_dir: 'train/run.ts',
  output_name: 'train/image/task.ts',
  save_steps: 'train/run.ts',
  save_precision: 'train/image/task.ts',
  tensorboard: 'train/records/record.ts',
  sample_prompts: 'train/image/sheet.ts',
  sample_negative_prompt: 'train/image/sheet.ts',
  sample_steps: 'train/image/sheet.ts',
  sample_cfg: 'train/image/sheet.ts',
  sample_seed: 'train/image/sheet.ts',
  sample_every: 'train/text/task.ts',
  sample_max_tokens: 'train/text/answers.ts',
  sample_temperature: 'train/text/answers.ts',
  eval_path: 'train/text/answers.ts',
  eval_general_path: 'train/text/answers.ts',
};

/** Names that a file takes out of objects: `config.name`, `{ name }` and `{ name: other }`. */
function namesRead(path: string): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && !isAssigned(node)) names.add(node.name.text);
    if (ts.isBindingElement(node)) {
      const name = node.propertyName ?? node.name;
      if (ts.isIdentifier(name)) names.add(name.text);
    }
    node.forEachChild(visit);
  };
  const text = readFileSync(`src/${path}`, 'utf8');
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return names;
}

const isAssigned = (node: ts.Node): boolean =>
  ts.isBinaryExpression(node.parent) &&
  node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
  node.parent.left === node;

for (const key of configKeys)
  test(`${key} is read by ${readers[key]}`, () => {
    assert.ok(namesRead(readers[key]).has(key), `src/${readers[key]} does not read ${key}`);
    assert.doesNotMatch(readers[key], /^config\//, 'what only checks and fills in does not act');
  });

test('a file that only writes a key, or names it in a text, is no reader of it', () => {
  assert.ok(!namesRead('losses/options.ts').has('noise_offset'));
  assert.ok(!namesRead('train/image/metadata.ts').has('sd_model_name'));
});
