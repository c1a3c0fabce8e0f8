// The files of other trainers of language models.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from './load.ts';
import { file, folder, problemsOf, text, yaml } from './load.test-util.ts';

test('aliases of other trainers of language models', () => {
  const read = (values: object) =>
    loadConfig(file(yaml({ task_type: 'text-generation', ...values }))).config;
  const axolotl = read({
    base_model: './base',
    output_dir: './out',
    datasets: '[{ path: ./faq.jsonl, type: chat_template }]',
    sequence_len: 256,
    adapter: 'lora',
    lora_r: 8,
    lora_alpha: 16,
    lora_dropout: 0.05,
    lora_target_linear: true,
    micro_batch_size: 2,
    num_epochs: 3,
    optimizer: 'adamw_torch',
    warmup_ratio: 0.1,
    sample_packing: true,
    train_on_inputs: false,
    val_set_size: 0.1,
    load_in_4bit: false,
    learning_rate: '1e-4',
    bf16: 'auto',
  });
  assert.deepEqual(
    [
      axolotl.max_seq_length,
      axolotl.lora_rank,
      axolotl.batch_size,
      axolotl.epochs,
      axolotl.optimizer,
      axolotl.lr_warmup_steps,
      axolotl.packing,
      axolotl.train_on,
      axolotl.validation_split,
      axolotl.learning_rate,
    ],
    [256, 8, 2, 3, 'adamw', 0.1, true, 'answers', 0.1, 1e-4],
  );
  assert.equal(axolotl.train_data_dir, join(folder, 'faq.jsonl'));
  const factory = read({
    model_name_or_path: './base',
    output_dir: './out',
    train_data_dir: './faq.jsonl',
    stage: 'sft',
    finetuning_type: 'lora',
    lora_target: 'all',
    cutoff_len: 128,
    per_device_train_batch_size: 1,
    num_train_epochs: '3.0',
    lr_scheduler_type: 'cosine',
    template: 'chatml',
  });
  assert.deepEqual(
    [
      factory.target_modules,
      factory.max_seq_length,
      factory.epochs,
      factory.lr_scheduler,
      factory.chat_template,
    ],
    ['all-linear', 128, 3, 'cosine', 'chatml'],
  );
  const mlx = read({
    model: './base',
    adapter_path: './out',
    data: './faq.jsonl',
    train: true,
    iters: 100,
    steps_per_eval: 20,
    mask_prompt: true,
    grad_checkpoint: true,
    lora_parameters: '{ rank: 4, scale: 2.0, dropout: 0.1, keys: [self_attn.q_proj] }',
  });
  assert.deepEqual(
    [
      mlx.max_train_steps,
      mlx.validation_steps,
      mlx.train_on,
      mlx.gradient_checkpointing,
      mlx.lora_rank,
      mlx.lora_alpha,
      mlx.target_modules,
    ],
    [100, 20, 'answers', true, 4, 8, ['self_attn.q_proj']],
  );
});

test('what other trainers have and this one does not is refused by name, at its line', () => {
  const all = { ...text, train_data_dir: './faq.jsonl' };
  const refused = (values: object) =>
    problemsOf(yaml({ ...all, ...values })).map((line) => line.replace(/^brand_lora.yaml:/, ''));
  assert.match(refused({ use_dora: true })[0], /^5 use_dora: DoRA is not trained/);
  assert.match(refused({ modules_to_save: '[lm_head]' })[0], /whole modules are not trained/);
  assert.match(refused({ load_in_4bit: true })[0], /8 or 4 bits/);
  assert.match(refused({ adapter: 'qlora' })[0], /adapters are LoRA, not qlora/);
  assert.match(
    refused({ lora_r: 8, lora_rank: 4 })[0],
    /^5 lora_r: means the same as lora_rank, which is there too/,
  );
  assert.match(
    refused({ lora_r: 0 })[0],
    /^5 lora_rank: expected a whole number from 1 to 1280; found 0/,
  );
  assert.match(
    refused({ optimizer: 'lion' })[0],
    /expected one of adamw, sgd, sgd_nesterov; found "lion"/,
  );
  assert.match(
    refused({ neftune_noise_alpha: 5 })[0],
    /^5 neftune_noise_alpha: there is no such setting here/,
  );
  const sets = (fields: string) => refused({ datasets: `[{ path: ./faq.jsonl, ${fields} }]` })[0];
  assert.match(
    sets('split: "train[:20%]"'),
    /datasets: split of data set 1: a share of a file cannot be selected/,
  );
  assert.match(sets('field_messages: turns'), /called messages or conversations .*rename "turns"/);
  assert.match(sets('roles_to_train: [user]'), /the answers of the assistant are trained/);
});

test('whole files of other trainers', () => {
  const load = (lines: string) => loadConfig(file(lines));
  const axolotl = load(`base_model: ./base
datasets:
  - { path: json, data_files: [./faq.jsonl, ./more.jsonl], ds_type: json, type: chat_template, field_messages: conversations, message_property_mappings: { role: from, content: value }, roles_to_train: [assistant], train_on_eos: turn }
val_set_size: 0.05
output_dir: ./out
sequence_len: 2048
adapter: lora
lora_r: 16
lora_alpha: 32
lora_target_linear: true
lora_target_modules:
wandb_project:
optimizer: paged_adamw_32bit
learning_rate: 2e-4
warmup_steps: 0
warmup_ratio: 0.1
flash_attention: true
evals_per_epoch: 4
saves_per_epoch: 1
special_tokens: { pad_token: "<pad>" }
`);
  assert.deepEqual(
    [
      axolotl.config.task_type,
      axolotl.config.train_data.map(({ path }) => path),
      axolotl.config.target_modules,
      axolotl.config.lr_warmup_steps,
    ],
    ['text-generation', [join(folder, 'faq.jsonl'), join(folder, 'more.jsonl')], 'all-linear', 0.1],
  );
  assert.deepEqual(
    axolotl.warnings.map(({ what }) => what),
    [
      'paged_adamw_32bit is not supported: adamw runs instead, with its state in float32',
      '3 keys have no effect here: flash_attention, evals_per_epoch, saves_per_epoch',
    ],
  );

  mkdirSync(join(folder, 'base-config'), { recursive: true });
  writeFileSync(join(folder, 'base-config/config.json'), '{"num_hidden_layers": 4}');
  writeFileSync(
    join(folder, 'dataset_info.json'),
    '{"faq": {"file_name": "faq.jsonl"}, "hub": {"hf_hub_url": "a/b"}, "pairs": {"file_name": "x.json", "ranking": true}}',
  );
  const factory = load(
    'model_name_or_path: ./base\nstage: sft\ndo_train: true\nfinetuning_type: lora\nlora_rank: 8\nlora_target: q_proj,v_proj\ndataset: faq\ndataset_dir: .\ntemplate: qwen\ncutoff_len: 2048\noutput_dir: ./out\nnum_train_epochs: 3.0\n',
  );
  assert.deepEqual(
    [
      factory.config.lora_alpha,
      factory.config.target_modules,
      factory.config.train_data.map(({ path }) => path),
    ],
    [16, ['q_proj', 'v_proj'], [join(folder, 'faq.jsonl')]],
  );
  assert.match(
    problemsOf(
      'model_name_or_path: ./base\nfinetuning_type: lora\ndataset: faq,hub,pairs\ndataset_dir: .\noutput_dir: ./out\n',
    ).join('\n'),
    /hub is not a file on this machine[^]*pairs is a set of preferences/,
  );

  const mlx = load(
    'model: ./base-config\ntrain: true\nfine_tune_type: lora\noptimizer: adam\ndata: ./faq.jsonl\nnum_layers: 2\niters: 100\nlearning_rate: 1e-5\nadapter_path: ./out\nresume_adapter_file: null\ntest: false\nlora_parameters: { keys: [self_attn.q_proj], rank: 8, scale: 20.0 }\nlr_schedule: { name: cosine_decay, warmup: 10, arguments: [2e-5, 100] }\n',
  );
  assert.deepEqual(
    [
      mlx.config.target_modules,
      mlx.config.weight_decay,
      mlx.config.learning_rate,
      mlx.config.lr_warmup_steps,
      mlx.config.lr_scheduler,
      mlx.warnings.length,
    ],
    ['.*\\.layers\\.(2|3)\\.(.*\\.)?(self_attn\\.q_proj)', 0, 2e-5, 10, 'cosine', 0],
  );

  const peft = load(
    'task_type: CAUSAL_LM\nbase_model_name_or_path: ./base\ntrain_data_dir: ./faq.jsonl\noutput_dir: ./out\npeft_type: LORA\nr: 4\ntarget_modules: [q_proj, v_proj]\nlayers_to_transform: [0, 1]\nmodules_to_save: null\nloftq_config: {}\nmegatron_core: megatron.core\nuse_dora: false\n',
  );
  assert.deepEqual(
    [peft.config.task_type, peft.config.lora_rank, peft.config.target_modules],
    ['text-generation', 4, '.*\\.layers\\.(0|1)\\.(.*\\.)?(q_proj|v_proj)'],
  );
});
