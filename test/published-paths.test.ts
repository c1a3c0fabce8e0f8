// What a run publishes tells nothing of the machine it ran on, and its base is found again.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mergeCommand } from '../src/cli/merge.ts';
import { exportCommand } from '../src/cli/export.ts';
import { runCommand } from '../src/cli/run.test-util.ts';
import { loadConfig } from '../src/config/load.ts';
import { publishedText } from '../src/config/published.ts';
import { train } from '../src/train/run.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

// the marker is in every path of this machine
const root = mkdtempSync(join(tmpdir(), 'secret-machine-'));
const [home, here] = [process.env.HOME, process.cwd()];
after(() => {
  process.chdir(here);
  process.env.HOME = home;
  rmSync(root, { recursive: true, force: true });
});
const project = join(root, 'project');
mkdirSync(join(project, 'configs'), { recursive: true });
writeSmallLanguageModel(join(project, 'models/small'));
writeSmallBase(join(project, 'models/pictures'));
await writePictures(join(project, 'data'), [[64, 64]]);
const question = '{"question": "where is my hat?", "answer": "your hat is on the way."}\n';
writeFileSync(join(project, 'faq.jsonl'), question);
writeFileSync(join(project, 'eval.jsonl'), question);
process.env.HOME = project;
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
process.chdir(project);

/** Trains as `configs/run.yaml` says; returns the texts of all files in the run folder. */
async function run(lines: Readonly<Record<string, unknown>>, out: string) {
  const path = join(project, 'configs/run.yaml');
  const common = { max_train_steps: 1, lora_rank: 2, num_threads: 1, sample_prompts: ['hat'] };
  writeFileSync(
    path,
    Object.entries({ ...common, ...lines })
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join(''),
  );
  for await (const event of train(loadConfig(path), { signal: new AbortController().signal }))
    assert.ok(event);
  const names = readdirSync(out, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => ({
      name: entry.name,
      text: readFileSync(join(entry.parentPath, entry.name), 'latin1'),
    }));
}

const text = {
  task_type: 'text-generation',
  train_data_dir: '~/faq.jsonl',
  eval_path: '~/eval.jsonl',
  max_seq_length: 96,
  lr_power: 2, // without effect: a warning with the configuration's path goes into the log
  sample_max_tokens: 2,
};

for (const [base, out] of [
  ['~/models/small', '~/out/home'],
  ['./models/small', 'out/relative'],
  ['../models/small', 'out/beside the file'],
] as const)
  test(`no file of a run has a path of this machine: base_model ${base}`, async () => {
    const settings = { ...text, base_model: base, output_dir: out };
    const files = await run(settings, join(project, out.replace('~', '.')));
    assert.ok(files.length >= 8, `${files.length} files`);
    for (const { name, text: content } of files) {
      assert.doesNotMatch(content, /secret-machine/, name);
      assert.ok(!name.includes(hostname()), name);
    }
    const config = files.find(({ name }) => name === 'adapter_config.json');
    assert.match(config?.text ?? '', new RegExp(`"base_model_name_or_path": "${base}"`));
  });

test('no file of a run on pictures has a path of this machine', async () => {
  const settings = {
    base_model: '~/models/pictures',
    train_data_dir: '~/data',
    output_dir: '~/out/pictures',
    bucket_reso_steps: 32,
    sample_steps: 1,
  };
  const files = await run(settings, join(project, 'out/pictures'));
  for (const { name, text: content } of files) assert.doesNotMatch(content, /secret-machine/, name);
});

test('an absolute path that was written is published as it was written', async () => {
  const base_model = join(project, 'models/small');
  const files = await run({ ...text, base_model, output_dir: 'out/absolute' }, 'out/absolute');
  for (const name of ['adapter_config.json', 'config.yaml', 'train.log'])
    assert.ok(files.find((file) => file.name === name)?.text.includes(base_model), name);
});

test('lora merge and export find the base from another folder', async () => {
  process.chdir(root);
  after(() => process.chdir(project));
  for (const name of ['home', 'relative', 'beside the file']) {
    const adapter = join(project, 'out', name);
    const merged = join(root, `merged ${name}`);
    const lora = (...words: string[]) => runCommand([mergeCommand, exportCommand], words);
    assert.match((await lora('merge', adapter, '-o', merged)).text, /14 layers of .*small changed/);
    assert.equal((await lora('export', '--to', 'gguf', adapter)).code, 0);
    for (const file of readdirSync(merged))
      assert.doesNotMatch(readFileSync(join(merged, file), 'latin1'), /secret-machine/, file);
  }
  rmSync(join(project, 'models/small'), { recursive: true });
  const adapter = join(project, 'out/relative');
  const { code, text: refusal } = await runCommand([mergeCommand], ['merge', adapter, '-o', 'x']);
  assert.equal(code, 1);
  assert.match(
    refusal,
    /base model, \.\/models\/small, is not a folder on this machine\n.*Looked in.*--base/,
  );
});

test('a path is taken for one only where it is whole', () => {
  const job = {
    writtenPaths: new Map([
      ['/data/me/base', '~/base'],
      ['cfg/base', './base'],
    ]),
    source: {
      path: '/data/me/run.yaml',
      lines: new Map(),
      overridden: new Map(),
      given: new Set<string>(),
    },
  };
  for (const [text, published] of [
    ['base model /data/me/base', 'base model ~/base'],
    ['/data/me/base/unet.safetensors, x', '~/base/unet.safetensors, x'],
    ['in /data/me/base.', 'in ~/base.'],
    ['/data/me/base2 /data/me/base.old', '/data/me/base2 /data/me/base.old'],
    ['/mnt/data/me/base', '/mnt/data/me/base'],
    ['/data/me/run.yaml:3 seed: x', 'run.yaml:3 seed: x'],
    ['(cfg/base)', '(./base)'],
    [`${project}/.cache/x`, '~/.cache/x'],
  ])
    assert.equal(publishedText(text, job), published);
});
