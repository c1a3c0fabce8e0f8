// The folder of texts, a level too high, or another kind of folder in its place.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { textSources } from './configured.ts';
import { readTextFiles } from './read.ts';

const root = mkdtempSync(join(tmpdir(), 'text levels '));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

async function refusal(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(root, `${count++}`);
  for (const [name, content] of Object.entries({ '.keep': '', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const { sources } = textSources({
    train_data: [{ path: folder, weight: 1 }],
    validation_data: [],
  });
  const error = await readTextFiles(sources).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof Error);
  return error.message.replaceAll(root, '…');
}

test('a snapshot of a data set: Parquet files a level lower, with the command that converts them', async () => {
  const files = {
    'README.md': '',
    'dataset_infos.json': '{}',
    'data/train-00000-of-00001.parquet': 'PAR1',
    'data/test-00000-of-00001.parquet': 'PAR1',
  };
  assert.match(
    await refusal(files),
    /the folder …\/\d+\/data holds 2 Parquet files \(test-.* …\), .*not supported\n.*FROM '.*\/data\/\*\.parquet'/,
  );
  // the folder itself is not named twice
  assert.match(await refusal({ 'a.parquet': '' }), /^…\/\d+: this folder holds 1 Parquet file/m);
});

test('files of samples a level lower, and folders of splits', async () => {
  assert.match(
    await refusal({ 'README.md': '', 'data/train.jsonl': '{}' }),
    /in …\/\d+\/data \(1 file\)\n.*train_data_dir: …\/\d+\/data$/,
  );
  const splits = { 'test/a.jsonl': '', 'train/a.jsonl': '', 'validation/a.jsonl': '' };
  assert.match(
    await refusal(splits),
    /train_data_dir: …\/\d+\/train, and to validate validation_data: \[…\/\d+\/validation\]$/,
  );
});

test('what save_to_disk writes is named, also with its splits', async () => {
  const files = { 'dataset_info.json': '{}', 'state.json': '{}', 'data-00000-of-00001.arrow': '' };
  assert.match(await refusal(files), /1 Arrow file .*save_to_disk.*\n.*load_from_disk/);
  const splits = Object.entries(files).map(([name, content]) => [`train/${name}`, content]);
  assert.match(
    await refusal({ 'dataset_dict.json': '{}', ...Object.fromEntries(splits) }),
    /train holds 1 Arrow file/,
  );
});

test('packed files, pictures, a model, an adapter, and nothing', async () => {
  assert.match(await refusal({ 'train.jsonl.gz': '' }), /1 packed file/);
  assert.match(await refusal({ 'train.jsonl.zst': '' }), /1 packed file/);
  assert.match(await refusal({ 'a.png': '' }), /1 picture .*\n.*leave out task_type/);
  assert.match(
    await refusal({ 'config.json': '{}', 'tokenizer.json': '{}', 'tokenizer_config.json': '{}' }),
    /is a model, not data/,
  );
  assert.match(await refusal({ 'adapter_config.json': '{}' }), /is an adapter, not data/);
  assert.match(await refusal({}), /this folder is empty/);
});

test('the .json files in a part of a model, below the named folder, were advised as samples', async () => {
  const model = { 'sd/model_index.json': '{}', 'sd/scheduler/scheduler_config.json': '{}' };
  const alone = await refusal(model);
  assert.doesNotMatch(alone, /train_data_dir/);
  assert.match(alone, /the folder .*sd is a model, not data/);
  const beside = await refusal({ ...model, 'llm/config.json': '{}', 'z/faq.jsonl': '{}' });
  assert.match(beside, /Name it: train_data_dir: .*z$/m);
});

test("a folder of the Hugging Face cache, two levels above a data set's snapshot", async () => {
  const data = 'datasets--acme--faq/snapshots/abc/data/train-00000-of-00001.parquet';
  assert.match(await refusal({ [data]: 'PAR1' }), /abc.data holds 1 Parquet file/);
});
