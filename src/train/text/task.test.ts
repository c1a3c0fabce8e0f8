import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, parseConfig } from '../../config/load.ts';
import { ConfigError, DataError } from '../../errors.ts';
import { readPeftFolder } from '../../adapter-files/peft-folder.ts';
import type { TrainEvent } from '../events.ts';
import { train } from '../run.ts';
import { writeSmallLanguageModel } from '../testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'train-text-'));
after(() => rmSync(root, { recursive: true, force: true }));
writeSmallLanguageModel(join(root, 'base'));
writeSmallLanguageModel(join(root, 'half'), { dtype: 'bfloat16' });

const dialogue = (question: string, answer: string) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  });
const words = ['hat', 'coat', 'shoe', 'lamp', 'chair', 'table', 'spoon', 'cup', 'plate', 'book'];
const lines = words.map((word, i) =>
  dialogue(`where is my ${word}?`, `your ${word} is on the way, dear${' friend'.repeat(i % 3)}.`),
);
writeFileSync(join(root, 'data.jsonl'), `${lines.join('\n')}\n`);
writeFileSync(join(root, 'more.jsonl'), `${dialogue('do you sell hats?', 'yes, dear.')}\n`);
writeFileSync(
  join(root, 'eval.jsonl'),
  `${dialogue('where is my box?', 'your box is on the way, dear.')}\n`,
);

const common = {
  task_type: 'text-generation',
  base_model: join(root, 'base'),
  train_data_dir: join(root, 'data.jsonl'),
  max_seq_length: 96,
  lora_rank: 2,
  num_threads: 1,
  learning_rate: 1e-2,
  tensorboard: false,
};
const jobOf = (name: string, settings: object) =>
  parseConfig({ ...common, output_dir: join(root, name), ...settings });

async function run(name: string, settings: object): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(jobOf(name, settings))) events.push(event);
  return events;
}

const ofType = <K extends TrainEvent['type']>(events: readonly TrainEvent[], type: K) =>
  events.filter((event): event is Extract<TrainEvent, { type: K }> => event.type === type);
const losses = (events: readonly TrainEvent[]) => ofType(events, 'step').map(({ loss }) => loss);
const adapterOf = (name: string) =>
  readFileSync(join(root, name, 'adapter_model.safetensors')).toString('base64');

let first: TrainEvent[];
test('a run plans, trains, validates, answers and leaves a PEFT folder', async () => {
  first = await run('a', {
    batch_size: 2,
    epochs: 6,
    save_steps: 10,
    validation_split: 0.2,
    sample_prompts: ['where is my box?'],
    sample_max_tokens: 4,
    sample_every: 12,
    eval_path: join(root, 'eval.jsonl'),
  });
  const [plan] = ofType(first, 'plan');
  assert.deepEqual(
    [plan.totalSteps, plan.samples, plan.sampleName, plan.shapes.length > 0],
    [24, 8, 'sequence', true],
  );
  const validations = ofType(first, 'validation');
  assert.deepEqual(
    validations.map(({ step }) => step),
    [0, 4, 8, 10, 12, 16, 20, 24],
  );
  assert.ok(
    validations[7].loss < 0.8 * validations[0].loss,
    validations.map(({ loss }) => loss).join(' '),
  );
  assert.deepEqual(
    ofType(first, 'sample').map(({ step, baseAnswer }) => [step, typeof baseAnswer]),
    [
      [12, 'undefined'],
      [24, 'string'],
    ],
  );
  assert.equal(ofType(first, 'evaluated').length, 1);
  const files = [
    'account.json',
    'adapter_config.json',
    'adapter_model.safetensors',
    'answers.md',
    'checkpoint-10',
    'checkpoint-20',
    'config.yaml',
    'data.json',
    'eval.html',
    'eval.json',
    'logs',
    'run.json',
    'state',
  ];
  assert.deepEqual(readdirSync(join(root, 'a')).sort(), files);
  const { modules, baseModel } = readPeftFolder(join(root, 'a'));
  assert.deepEqual([modules.length, baseModel], [14, join(root, 'base')]);
  assert.deepEqual(Object.keys(ofType(first, 'done')[0].results), ['answers', 'evaluation']);
  assert.match(
    readFileSync(join(root, 'a/logs/train.log'), 'utf8'),
    /validation after step 0: loss[^]*without the adapter:[^]*done after step 24 of 24/,
  );
  const job = jobOf('a', { batch_size: 2 });
  assert.deepEqual(
    loadConfig(join(root, 'a/config.yaml')).config.train_data,
    job.config.train_data,
  );
});

test('the same run again gives the same adapter', async () => {
  const settings = { batch_size: 2, max_train_steps: 3, lora_dropout: 0.1 };
  const [one, two] = [await run('b', settings), await run('c', settings)];
  assert.deepEqual(losses(two), losses(one));
  assert.equal(adapterOf('c'), adapterOf('b'));
});

test('four batches of one are one batch of four, packed or not', async () => {
  for (const packing of [false, true]) {
    const settings = { max_train_steps: 2, packing, max_seq_length: 192 };
    const [one, four] = [
      await run('one', { ...settings, batch_size: 4 }),
      await run('four', { ...settings, batch_size: 1, gradient_accumulation_steps: 4 }),
    ];
    losses(one).forEach((loss, i) =>
      assert.ok(Math.abs(loss - losses(four)[i]) < 2e-6 * loss, `${loss} and ${losses(four)[i]}`),
    );
  }
});

test('packing changes no loss of a sequence', async () => {
  const settings = { max_train_steps: 1, batch_size: 10, max_seq_length: 256 };
  const [plain, packed] = [
    losses(await run('plain', settings)),
    losses(await run('packed', { ...settings, packing: true })),
  ];
  assert.ok(Math.abs(plain[0] - packed[0]) < 2e-6 * plain[0], `${plain[0]} and ${packed[0]}`);
});

test('a long run of rows of one length packs its weights: its plan says so, and its losses are the same', async () => {
  writeFileSync(
    join(root, 'texts.jsonl'),
    words
      .slice(0, 4)
      .map((word) =>
        JSON.stringify({ text: `the ${word.padEnd(8, '.')} is on the way, dear friend` }),
      )
      .join('\n'),
  );
  const settings = {
    train_data_dir: join(root, 'texts.jsonl'),
    batch_size: 2,
    lr_scheduler: 'constant',
  };
  const [short, long] = [
    await run('short', { ...settings, max_train_steps: 4 }),
    await run('long', { ...settings, max_train_steps: 40 }),
  ];
  const [less, more] = [short, long].map((events) => ofType(events, 'plan')[0].memoryEstimate ?? 0);
  assert.ok(more > less, `${more} is not more than ${less}`);
  losses(short).forEach((loss, i) =>
    assert.ok(Math.abs(loss - losses(long)[i]) < 1e-5 * loss, `${loss} and ${losses(long)[i]}`),
  ); // sums in another order
  assert.deepEqual(
    await run('again', { ...settings, max_train_steps: 40 }).then(losses),
    losses(long),
  );
});

test('previews and validation turned the packed weights of a long run off, and so changed its adapter', async () => {
  const settings = {
    train_data_dir: join(root, 'texts.jsonl'),
    batch_size: 2,
    lr_scheduler: 'constant',
    max_train_steps: 40,
    sample_prompts: ['the hat'],
    sample_max_tokens: 2,
    save_precision: 'float32',
  };
  const alone = await run('alone', settings);
  const watched = await run('watched', {
    ...settings,
    sample_every: 20,
    validation_data: [join(root, 'more.jsonl')],
    validation_steps: 20,
  });
  assert.equal(ofType(watched, 'validation').length, 3);
  assert.deepEqual(losses(watched), losses(alone));
  assert.equal(adapterOf('watched'), adapterOf('alone'));
});

test('sequences that are trained were too long for the rows of shorter ones that are held back', async () => {
  writeFileSync(join(root, 'short.jsonl'), `${dialogue('hat?', 'yes.')}\n`);
  const events = await run('short', {
    validation_data: [join(root, 'short.jsonl')],
    max_train_steps: 1,
  });
  const [{ loss, trainLoss }] = ofType(events, 'validation');
  assert.ok(loss > 0 && trainLoss > 0);
});

test('stop_when_overfit ends a run whose loss on what is held back has risen at three looks', async () => {
  const settings = {
    train_data_dir: join(root, 'texts.jsonl'),
    validation_data: [join(root, 'data.jsonl')],
    validation_steps: 1,
    max_train_steps: 40,
    learning_rate: 0.1,
    lr_scheduler: 'constant',
    stop_when_overfit: true,
  };
  const events = await run('overfit', settings);
  const [done] = ofType(events, 'done');
  const [verdict] = ofType(events, 'verdict').slice(-1);
  assert.deepEqual(
    [done.stopped, done.step < 40, verdict.verdict.kind, verdict.final],
    [false, true, 'overfit', true],
  );
  assert.match(done.ended ?? '', /^Best at step \d+; later steps do worse on what was held back/);
  assert.match(
    verdict.verdict.reasons[0],
    /^Validation loss on 10 sequences that are not trained: /,
  );
  assert.match(
    readFileSync(join(root, 'overfit/logs/train.log'), 'utf8'),
    /verdict after step \d+: Best at step/,
  );
});

test('dropout changes the loss, at the first step hardly, and not the validation before it', async () => {
  const settings = { max_train_steps: 3, batch_size: 2, validation_split: 0.2 };
  const [plain, dropped] = [
    await run('plain', settings),
    await run('dropped', { ...settings, lora_dropout: 0.3 }),
  ];
  assert.equal(losses(dropped)[0], losses(plain)[0]); // B is zero
  assert.notEqual(losses(dropped)[2], losses(plain)[2]);
  assert.equal(ofType(dropped, 'validation')[0].loss, ofType(plain, 'validation')[0].loss);
});

test('weights of files, groups of lengths, a base in half precision, patterns and rsLoRA', async () => {
  const events = await run('more', {
    base_model: join(root, 'half'),
    train_data: [
      { path: join(root, 'data.jsonl'), weight: 0.5 },
      { path: join(root, 'more.jsonl'), weight: 3 },
    ],
    group_by_length: true,
    epochs: 1,
    target_modules: ['q_proj', 'down_proj'],
    rank_pattern: { down_proj: 4 },
    use_rslora: true,
    lora_alpha: 8,
    gradient_checkpointing: true,
  });
  assert.equal(losses(events).length, 8);
  const { modules, rslora } = readPeftFolder(join(root, 'more')); // by name: down_proj first
  assert.deepEqual(
    [modules.map(({ down, alpha }) => [down.shape[0], alpha]), rslora],
    [
      [
        [4, 8],
        [2, 8],
        [4, 8],
        [2, 8],
      ],
      true,
    ],
  );
});

test('faults are reported before training, and nothing is left behind', async () => {
  await assert.rejects(
    run('bad', { target_modules: ['query'] }),
    (error) =>
      error instanceof ConfigError && /"query" matches no layer[^]*q_proj/.test(error.message),
  );
  writeFileSync(join(root, 'bad.jsonl'), '{"messages": []}\n');
  await assert.rejects(run('bad', { train_data_dir: join(root, 'bad.jsonl') }), DataError);
  writeFileSync(join(root, 'bad-eval.jsonl'), 'no json\n');
  await assert.rejects(run('bad', { eval_path: join(root, 'bad-eval.jsonl') }), DataError);
  const long = dialogue(`where is my ${'very '.repeat(20)}box?`, 'here.');
  writeFileSync(join(root, 'long-eval.jsonl'), `${long}\n`);
  await assert.rejects(
    run('bad', { eval_path: join(root, 'long-eval.jsonl') }),
    /long-eval.jsonl:1: the question alone has \d+ tokens/,
  );
  await assert.rejects(
    run('bad', { sample_prompts: ['hi', 'ho'.repeat(80)] }),
    /sample_prompts, number 2: has \d+ tokens; the model reads at most 128/,
  );
  await assert.rejects(
    run('bad', { chat_template: 'chatmk' }),
    /there is no chat template "chatmk"/,
  );
  assert.ok(!existsSync(join(root, 'bad')));
});
