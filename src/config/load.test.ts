import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { flagName } from './flags.ts';
import { loadConfig, parseConfig } from './load.ts';
import { configKeys } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'lora-config-'));
mkdirSync(join(folder, 'pictures'));
mkdirSync(join(folder, 'base'));
writeFileSync(join(folder, 'list.csv'), 'filename,prompt\n');

const good = {
  train_data_dir: './pictures',
  base_model: './base',
  output_dir: './output/brand_lora',
};
const yaml = (values: object) =>
  Object.entries(values)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n');

function file(text: string): string {
  const path = join(folder, 'brand_lora.yaml');
  writeFileSync(path, text);
  return path;
}

/** The problems of `text` as `place: what (fix)`, the file's folder removed. */
function problemsOf(text: string, overrides = {}): string[] {
  try {
    loadConfig(file(text), overrides, { nameOverride: flagName });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ where, what, fix }) =>
      `${where}: ${what}${fix ? ` (${fix})` : ''}`.replaceAll(`${folder}/`, ''),
    );
  }
  return [];
}

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
      'brand_lora.yaml output_dir: is missing; expected text',
    ],
  );
  const fixes = problemsOf(text).join('\n');
  assert.match(fixes, /here it is called lora_rank/);
  assert.match(fixes, /did you mean epochs\?/);
  assert.match(fixes, /did you mean cosine\?/);
  assert.match(fixes, /train_text_encoder set to false/);
  assert.match(fixes, /looked at .*nowhere and at .*nowhere/);
});

test('keys that contradict each other', () => {
  assert.deepEqual(problemsOf(yaml({ ...good, train_unet: false, train_text_encoder: false })), [
    'brand_lora.yaml:4 train_unet: nothing to train: train_unet and train_text_encoder are both false',
  ]);
  assert.match(
    problemsOf(yaml({ ...good, min_bucket_reso: 512, max_bucket_reso: 256 }))[0],
    /512 is more than max_bucket_reso, 256/,
  );
  assert.match(
    problemsOf(yaml({ ...good, lr_warmup_steps: 1.5 }))[0],
    /whole number of steps, or a share of the run below 1; found 1.5/,
  );
});

test('files that are no configuration', () => {
  assert.deepEqual(problemsOf(''), [
    'brand_lora.yaml: the file is empty (examples are in configs/)',
  ]);
  assert.deepEqual(problemsOf('# nothing\n'), [
    'brand_lora.yaml: the file is empty (examples are in configs/)',
  ]);
  assert.match(problemsOf('- a\n- b\n')[0], /expected lines of the form "key: value"/);
  assert.match(problemsOf('just text')[0], /expected lines of the form "key: value"/);
  assert.match(
    problemsOf(`${yaml(good)}\nlora_rank: [1, 2\nseed: 3`)[0],
    /^brand_lora.yaml:[45]: not valid YAML: /,
  );
  assert.deepEqual(problemsOf(`${yaml(good)}\nseed: 1\nseed: 2`), [
    'brand_lora.yaml:5: seed is there twice (keep one of the two lines)',
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

test('a resolution of "192," was answered with the pattern of a validator', () => {
  for (const resolution of ['"192,"', '"512*384"', '"512px"', '""', '7', '[512]', 'true', '-512'])
    assert.match(problemsOf(yaml({ ...good, resolution })).join('\n'), /each side from 16 to 8192/);
});

test('no key answers with the words of a validator', () => {
  for (const key of configKeys)
    for (const value of ['"?!"', '""', '-1.5', '1e99', '[]', '[1, [2]]', '{ a: 1 }', 'true'])
      assert.doesNotMatch(
        problemsOf(yaml({ ...good, [key]: value })).join('\n'),
        /Invalid |match pattern|received|Too (small|big)|>=|<=/,
      );
});

const noValue = (expected: string, where: string, isRequired = false) =>
  `brand_lora.yaml:${where}: no value; expected ${expected}${isRequired ? '' : ' (To use the default, delete the line.)'}`;

test('a key with nothing behind it took a default in one case and was refused in another', () => {
  const rank = 'a whole number from 1 to 1280';
  assert.deepEqual(problemsOf(yaml({ ...good, lora_rank: '' })), [noValue(rank, '4 lora_rank')]);
  assert.deepEqual(problemsOf(yaml({ ...good, base_model: '' })), [
    noValue('text', '2 base_model', true),
  ]);
  for (const key of ['metadata_path', 'unet_lr', 'lora_alpha', 'max_train_steps', 'output_name'])
    assert.match(problemsOf(yaml({ ...good, [key]: '' }))[0], /: no value; expected /, key);
  const ofText = (values: object) =>
    problemsOf(yaml({ ...text, train_data_dir: './faq.jsonl', ...values }));
  for (const empty of ['', '~', 'null']) {
    assert.deepEqual(ofText({ lora_r: empty }), [noValue(rank, '5 lora_r')]);
    assert.deepEqual(ofText({ learning_rate: empty }), [
      noValue('a number from 0 to 10', '5 learning_rate'),
    ]);
    assert.deepEqual(ofText({ epochs: empty }), [
      noValue('a whole number from 1 to 1000000', '5 epochs'),
    ]);
  }
  for (const key of ['num_epochs', 'optim', 'sequence_len', 'train_on_inputs', 'val_set_size'])
    assert.match(ofText({ [key]: '' })[0], /: no value; expected /, key);
  for (const key of ['wandb_project', 'deepspeed', 'resume_from_checkpoint', 'special_tokens'])
    assert.deepEqual(ofText({ [key]: '' }), [], `${key} asks for nothing`);
  assert.deepEqual(
    ofText({ lora_target_modules: '', lora_target_linear: true }),
    [],
    'another key says it',
  );
});

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

const text = {
  task_type: 'text-generation',
  base_model: './base',
  output_dir: './output/brand_voice',
};
writeFileSync(join(folder, 'faq.jsonl'), '');
writeFileSync(join(folder, 'more.jsonl'), '');

test('text-generation: its own keys, a file or a folder, several files with weights', () => {
  const read = (values: object) => loadConfig(file(yaml({ ...text, ...values }))).config;
  const { max_seq_length, train_data, target_modules, lora_alpha, train_on } = read({
    train_data_dir: './faq.jsonl',
    lora_rank: 4,
  });
  assert.deepEqual(
    [max_seq_length, target_modules, lora_alpha, train_on],
    [512, 'all-linear', 4, 'answers'],
  );
  assert.deepEqual(train_data, [{ path: join(folder, 'faq.jsonl'), weight: 1 }]);
  assert.deepEqual(
    read({ train_data: '[./faq.jsonl, { path: ./more.jsonl, weight: 2 }]' }).train_data.map(
      ({ weight }) => weight,
    ),
    [1, 2],
  );
  for (const train_data of [
    './faq.jsonl',
    '{ path: ./faq.jsonl, weight: 1 }',
    '[{ path: ./faq.jsonl, weight: "1" }]',
  ])
    assert.deepEqual(read({ train_data }).train_data, [
      { path: join(folder, 'faq.jsonl'), weight: 1 },
    ]);
  assert.deepEqual(
    problemsOf(yaml({ ...text, train_data: '[{ path: ./faq.jsonl, weight: two }]' })).map((line) =>
      line.replace(/ found.*Write/, ' Write').slice(0, 120),
    ),
    [
      'brand_lora.yaml:4 train_data: expected a list of paths, or of { path, weight }; Write each as "- faq.jsonl" or "- { path: '.slice(
        0,
        120,
      ),
    ],
  );
  assert.match(
    loadConfig(
      file(
        yaml({
          ...text,
          train_data_dir: './faq.jsonl',
          train_data: '[./more.jsonl]',
          validation_data: '[./faq.jsonl]',
          validation_split: 0.1,
        }),
      ),
    )
      .warnings.map(({ where, what }) => `${where} ${what}`)
      .join('\n'),
    /train_data_dir has no effect: train_data[^]*validation_split has no effect: validation_data/,
  );
  assert.equal(read({ train_data_dir: './pictures' }).train_data_dir, join(folder, 'pictures'));
  const targets = read({
    train_data_dir: './faq.jsonl',
    target_modules: '[q_proj, v_proj]',
    rank_pattern: '{ q_proj: 8 }',
  });
  assert.deepEqual(
    [targets.target_modules, targets.rank_pattern],
    [['q_proj', 'v_proj'], { q_proj: 8 }],
  );
  const { config } = loadConfig(file(yaml({ ...text, train_data_dir: './faq.jsonl' })), {
    rank_pattern: 'q_proj=8,down_proj=2',
    target_modules: 'q_proj,down_proj',
  });
  assert.deepEqual(
    [config.rank_pattern, config.target_modules],
    [{ q_proj: 8, down_proj: 2 }, ['q_proj', 'down_proj']],
  );
});

test('a chat template may be a file, beside the configuration too', () => {
  writeFileSync(join(folder, 'mine.jinja'), '{{ messages }}');
  const template = (value: string) =>
    loadConfig(file(yaml({ ...text, train_data_dir: './faq.jsonl', chat_template: value }))).config
      .chat_template;
  assert.deepEqual(
    [template('mine.jinja'), template(join(folder, 'mine.jinja')), template('chatml')],
    ['{{ messages }}', '{{ messages }}', 'chatml'],
  );
  assert.deepEqual(
    problemsOf(yaml({ ...text, train_data_dir: './faq.jsonl', chat_template: 'other.jinja' })),
    ['brand_lora.yaml:5 chat_template: there is no such file: other.jinja'],
  );
});

test('a key of the other task is a warning that names both', () => {
  const warningsOf = (values: object) =>
    loadConfig(file(yaml(values))).warnings.map(
      ({ where, what }) => `${where.split(' ').at(-1)}: ${what}`,
    );
  assert.deepEqual(warningsOf({ ...good, packing: true }), [
    'packing: is a key of task_type: text-generation and has no effect with task_type: image',
  ]);
  assert.deepEqual(warningsOf({ ...text, train_data_dir: './faq.jsonl', noise_offset: 0.1 }), [
    'noise_offset: is a key of task_type: image and has no effect with task_type: text-generation',
  ]);
});

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
    /datasets: split of data set 1: parts of a file are not taken/,
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

test('task_type: image-generation was answered with text-generation', () => {
  for (const task_type of ['image-generation', 'text', 'sd', 'Image'])
    assert.match(
      problemsOf(yaml({ ...good, task_type }))[0],
      /expected one of image, text-generation; found ".*image trains adapters for pictures/,
    );
  for (const device of ['cuda', 'gpu', 'mps'])
    assert.match(
      problemsOf(yaml({ ...good, device }))[0],
      /expected one of auto, cpu; found ".*runs on the processor/,
    );
});
