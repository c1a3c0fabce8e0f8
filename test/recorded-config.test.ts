// The config.yaml that a run leaves: run again, it gives the same adapter and the same warnings.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, parseConfig, type LoadedConfig } from '../src/config/load.ts';
import { openSafetensors, readFloat32 } from '../src/checkpoints/safetensors-file.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';
import { train } from '../src/train/run.ts';

const root = mkdtempSync(join(tmpdir(), 'recorded-config-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');

writeSmallBase(join(root, 'pictures'));
await writePictures(join(root, 'data'), [
  [64, 64],
  [64, 64],
]);
writeSmallLanguageModel(join(root, 'texts'));
const line = (text: string) => `${JSON.stringify({ prompt: text, completion: `${text}.` })}\n`;
writeFileSync(join(root, 'chat.jsonl'), ['a', 'b c', 'd'].map(line).join(''));
writeFileSync(join(root, 'plain.jsonl'), `{"text":"a b c"}\n{"text":"d e"}\n`);

const common = { lora_rank: 2, max_train_steps: 2, num_threads: 1, tensorboard: false };
const image = {
  ...common,
  base_model: join(root, 'pictures'),
  train_data_dir: join(root, 'data'),
  train_text_encoder: false,
};
const texts = {
  ...common,
  task_type: 'text-generation',
  base_model: join(root, 'texts'),
  train_data_dir: join(root, 'chat.jsonl'),
};
const plain = { ...texts, train_data_dir: join(root, 'plain.jsonl') };

/** That the run before, in the same folder, was done. */
const doneBefore = /^has a run that is done after/;

/** What a run told, without the places; and the bytes of its adapter's weights. */
async function run(job: LoadedConfig) {
  const told: string[] = [];
  let adapter = '';
  for await (const event of train(job, { signal: new AbortController().signal })) {
    if (event.type === 'warning' && !doneBefore.test(event.problem.what))
      told.push(event.problem.what);
    if (event.type === 'done') adapter = event.adapter ?? '';
  }
  const { tensors } = openSafetensors(adapter);
  return { told, weights: [...tensors].map(([name, one]) => [name, [...readFloat32(one).data]]) };
}

let runs = 0;
const jobOf = (settings: object) =>
  parseConfig({ ...settings, output_dir: join(root, `run${++runs}`) });

const dated =
  "{% for m in messages %}{{ strftime_now('%H %M %S') + m.content + '<|im_end|>' }}{% endfor %}";
const cases: Readonly<Record<string, object>> = {
  pictures: image,
  'pictures with sgd, convolutions and two rates': {
    ...image,
    optimizer: 'sgd_nesterov',
    conv_rank: 1,
    unet_lr: 1e-2,
    seed: 7,
  },
  texts,
  'texts with a template without a date': { ...texts, chat_template: 'alpaca' },
  'texts with a template that writes the time': { ...texts, chat_template: dated },
};

for (const [name, settings] of Object.entries(cases))
  test(`the config.yaml of a run gives the run again, and no warning more: ${name}`, async () => {
    const job = jobOf(settings);
    const writesTime = 'chat_template' in settings && settings.chat_template === dated;
    const first = await run(job);
    const recorded = join(job.config.output_dir, 'config.yaml');
    // at another time of day
    if (writesTime) await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.deepEqual(await run(loadConfig(recorded)), first);
    const hasDate = /^template_date:/m.test(readFileSync(recorded, 'utf8'));
    assert.equal(hasDate, writesTime);
  });

/** A clock that is an hour later each time that it is asked. */
function hourly(): DateConstructor {
  const Plain = Date;
  let hours = 0;
  const next = () => Plain.UTC(2026, 0, 1, hours++);
  return new Proxy(Plain, {
    construct: (_, args) => Reflect.construct(Plain, args.length === 0 ? [next()] : args),
    get: (_, name) => (name === 'now' ? next : Reflect.get(Plain, name)),
  });
}

test('the date that a template writes is that of the start of the run, not of a later moment', async () => {
  const plainDate = globalThis.Date;
  globalThis.Date = hourly();
  const job = jobOf({ ...texts, chat_template: dated });
  await run(job).finally(() => (globalThis.Date = plainDate));
  const recorded = readFileSync(join(job.config.output_dir, 'config.yaml'), 'utf8');
  const facts = readFileSync(join(job.config.output_dir, 'run.json'), 'utf8');
  const started = /"started": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)/.exec(facts)?.[1];
  assert.ok(started !== undefined, facts);
  assert.ok(recorded.includes(`template_date: ${JSON.stringify(started)}`), recorded);
});

/** A key without effect on data or model, and what is told of it. */
const needless: readonly (readonly [object, RegExp])[] = [
  [{ ...plain, train_on: 'all' }, /^train_on .* has no effect: the data is plain texts/m],
  [{ ...plain, chat_template: 'alpaca' }, /^chat_template .* has no effect: the data is plain/m],
  [
    { ...texts, template_date: '2026-01-31' },
    /^template_date .* the chat template inserts no date/m,
  ],
  [{ ...image, caption_extension: '.cap' }, /^caption_extension .* the captions are in metadata/m],
];
for (const [settings, message] of needless)
  test(`${String(message)} is told before the first step`, async () => {
    const told: string[] = [];
    for await (const event of train(jobOf(settings), { signal: new AbortController().signal })) {
      if (event.type === 'warning') told.push(`${event.problem.where}  ${event.problem.what}`);
      if (event.type === 'plan') break;
    }
    assert.match(told.join('\n'), message);
  });

test('numbers that float32 cannot hold are refused in the configuration', () => {
  const settings = [
    { lora_alpha: 1e-60 },
    { lora_alpha: 1e39 },
    { learning_rate: 1e-60 },
    { conv_alpha: 1e-60, conv_rank: 2 },
    { noise_offset: 1e-50 },
    { ...texts, alpha_pattern: { q_proj: 1e-60 } },
  ];
  for (const one of settings)
    assert.throws(() => jobOf({ ...image, ...one }), /expected a number that float32 can hold/);
});
