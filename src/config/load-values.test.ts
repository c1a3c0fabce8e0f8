// Values that a key cannot have, and keys that do not go together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { good, problemsOf, text, yaml } from './load.test-util.ts';
import { configKeys } from './schema.ts';

const noValue = (expected: string, where: string, isRequired = false) =>
  `brand_lora.yaml:${where}: no value; expected ${expected}${isRequired ? '' : ' (To use the default, delete the line.)'}`;

test('keys that contradict each other', () => {
  assert.deepEqual(problemsOf(yaml({ ...good, train_unet: false, train_text_encoder: false })), [
    'brand_lora.yaml:4 train_unet: nothing to train: train_unet and train_text_encoder are both false (Set one of them to true, or delete its line.)',
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

test('advice was to put into quotes what is refused in quotes too, and "" was told of three times', () => {
  const ofText = (values: object) =>
    problemsOf(yaml({ ...text, train_data_dir: './faq.jsonl', ...values }));
  const date = 'expected a date such as 2026-01-31 or 2026-01-31T12:00:00; found';
  assert.deepEqual(ofText({ template_date: '20240229' }), [
    `brand_lora.yaml:5 template_date: ${date} 20240229`,
  ]);
  assert.match(ofText({ output_name: '5' })[0], /found 5 \(.*put it in quotes, "5"/);
  for (const key of ['template_date', 'chat_template', 'eval_path', 'output_name'])
    for (const empty of ['""', '" "', '"\\t"']) {
      const found = ofText({ [key]: empty });
      assert.equal(found.length, 1, `${key}: ${empty}: ${found.join()}`);
    }
  for (const wrong of ['yesterday', '2024-13-01', '2024-02-30', '29.02.2024', '2024-02-29T10:00Z'])
    assert.match(
      ofText({ template_date: wrong })[0],
      /expected a date.*\(Write year, month and day/,
    );
});

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

test('task_type: image-generation was answered with text-generation', () => {
  for (const task_type of ['image-generation', 'text', 'sd', 'Image'])
    assert.match(
      problemsOf(yaml({ ...good, task_type }))[0],
      /expected one of image, text-generation; found ".*image trains adapters for pictures/,
    );
  for (const device of ['cuda', 'gpu', 'mps'])
    assert.match(
      problemsOf(yaml({ ...good, device }))[0],
      /expected one of auto, cpu, webgpu; found ".*graphics card is webgpu/,
    );
});

test('learning_rate: 0 was refused without a way out, and so were other keys that do not fit', () => {
  for (const [values, fix] of [
    [{ learning_rate: 0 }, 'Set it above 0, such as 1e-4'],
    [{ unet_lr: 0, train_text_encoder: false }, 'Set it above 0, such as 1e-4'],
    [{ conv_rank: 4, conv_alpha: 0 }, 'Delete the line'],
    [{ min_bucket_reso: 512, max_bucket_reso: 256 }, 'Exchange the two'],
  ] as const) {
    const [problem] = problemsOf(yaml({ ...good, ...values }));
    assert.ok(problem.includes(`(${fix}`), problem);
  }
});

test('a key that is missing was answered with "expected text"', () => {
  assert.deepEqual(
    problemsOf('seed: 1').map((line) => line.replace(/: \.\/.*/, '')),
    ['base_model', 'train_data_dir', 'output_dir'].map(
      (key) => `brand_lora.yaml ${key}: is missing (Add a line such as ${key}`,
    ),
  );
});

test('an unknown task_type brought a second problem, that train_data_dir is not a folder', () => {
  const lines = problemsOf(yaml({ ...good, task_type: 'text', train_data_dir: './faq.jsonl' }));
  assert.equal(lines.length, 1);
  assert.match(lines[0], /task_type: expected one of image, text-generation; found "text"/);
});

test('two numbers were to be put in quotes, a list of texts was refused twice, and a limit was not told', () => {
  const pair = 'expected two numbers from 0 to below 1, such as [0.9, 0.999]; found';
  for (const betas of ['[0.9]', '[0.9, 1]', '[0.9, 0.99, 0.999]'])
    assert.deepEqual(problemsOf(yaml({ ...good, betas })), [
      `brand_lora.yaml:4 betas: ${pair} ${betas.replaceAll(' ', '')}`,
    ]);
  assert.deepEqual(problemsOf(yaml({ ...good, optimizer: 'sgd', momentum: 1.5 })), [
    'brand_lora.yaml:5 momentum: expected a number from 0 to below 1; found 1.5',
  ]);
  for (const sample_prompts of ['[""]', '["", " ", 3]'])
    assert.equal(problemsOf(yaml({ ...good, sample_prompts })).length, 1);
});

test('number formats as other trainers call them are answered with our names', () => {
  for (const [theirs, ours] of [
    ['fp16', 'float16'],
    ['BF16', 'bfloat16'],
    ['float', 'float32'],
  ])
    assert.match(
      problemsOf(yaml({ ...good, save_precision: theirs }))[0],
      new RegExp(`Write save_precision: ${ours}\\.`),
    );
});
