// The keys of language models.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from './load.ts';
import { file, folder, good, problemsOf, text, yaml } from './load.test-util.ts';

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
    [
      "brand_lora.yaml:5 chat_template: there is no such file: other.jinja (Correct the path, or delete the line to use the tokenizer's own template.)",
    ],
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

test('four keys of pictures in a file for texts were four warnings', () => {
  const images = { resolution: 512, noise_offset: 0.1, clip_skip: 2, enable_bucket: true };
  const values = yaml({ ...text, train_data_dir: './faq.jsonl', ...images });
  const { warnings } = loadConfig(file(values));
  assert.deepEqual(
    warnings.map(({ what }) => what),
    [
      '4 keys of task_type: image have no effect with task_type: text-generation: resolution, noise_offset, clip_skip, enable_bucket',
    ],
  );
});
