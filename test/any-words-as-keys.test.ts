// Users' words as keys, by each entrance: `__proto__` was lost where a plain object was the map,
// and `constructor` and its like were found though nobody had given them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { nameLdmKeys } from '../src/checkpoints/ldm-keys.ts';
import { openSafetensors } from '../src/checkpoints/safetensors-file.ts';
import { loadConfig } from '../src/config/load.ts';
import { readImageFolder } from '../src/dataset/folder.ts';
import { readTextFiles } from '../src/dataset/text/read.ts';
import { ConfigError } from '../src/errors.ts';
import { readQuestion } from '../src/eval/questions.ts';
import { tokenizerEntries } from '../src/export/gguf-tokenizer.ts';
import { tinyTokenizer } from '../src/export/language-model.test-util.ts';
import { pythonJson } from '../src/adapter-files/python-json.ts';
import { serialize } from '../src/tensor/safetensors.ts';
import { chatTemplate } from '../src/tokenizer/chat.ts';
import { readClipVocabulary } from '../src/tokenizer/clip-vocabulary.ts';
import { readTextTokenizer } from '../src/tokenizer/text.ts';
import { train } from '../src/train/run.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';

const root = mkdtempSync(join(tmpdir(), 'words-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');

const words = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '2024'];
const json = (entries: readonly (readonly [string, unknown])[]) =>
  JSON.stringify(Object.fromEntries(entries));
const file = (name: string, content: string): string => {
  const path = join(root, name);
  writeFileSync(path, content);
  return path;
};
const isClean = () => assert.equal(Reflect.get({}, 'polluted'), undefined);

test('tags and folders: each is counted in the metadata of the adapter', async () => {
  writeSmallBase(join(root, 'base'));
  const data = join(root, '__proto__');
  await writePictures(data, [
    [64, 64],
    [64, 64],
  ]);
  const caption = `cat, ${words.join(', ')}, __proto__`;
  writeFileSync(join(data, 'metadata.csv'), `filename,prompt\np0.png,"${caption}"\np1.png,cat\n`);
  const config = {
    train_data_dir: data,
    base_model: join(root, 'base'),
    output_dir: join(root, 'constructor'),
    lora_rank: 2,
    max_train_steps: 1,
    bucket_reso_steps: 32,
    num_threads: 1,
  };
  const path = file('run.yaml', json(Object.entries(config)));
  const { signal } = new AbortController();
  for await (const event of train(loadConfig(path), { signal })) void event;
  const { metadata } = openSafetensors(join(root, 'constructor/constructor.safetensors'));
  const counts = words.map((word) => [word.toLowerCase(), word === '__proto__' ? 2 : 1]);
  assert.deepEqual(
    Object.entries(JSON.parse(metadata.ss_tag_frequency)['__proto__']),
    Object.entries(Object.fromEntries([['cat', 2], ...counts])),
  );
  assert.equal(metadata.ss_dataset_dirs, '{"__proto__": {"n_repeats": 1, "img_count": 2}}');
  assert.equal(
    pythonJson(new Map(words.map((word) => [word, 1]))),
    `{${words.map((word) => `"${word}": 1`).join(', ')}}`,
  );
});

test('tensors and metadata of a safetensors file', () => {
  const tensors = new Map(
    words.map((word, i) => [
      word,
      { dtype: 'float32' as const, shape: [1], data: Float32Array.of(i) },
    ]),
  );
  const metadata = Object.fromEntries(words.map((word) => [word, word]));
  const path = join(root, 'words.safetensors');
  writeFileSync(path, serialize(tensors, metadata));
  const read = openSafetensors(path);
  assert.deepEqual([...read.tensors.keys()].sort(), [...words].sort());
  assert.deepEqual(Object.entries(read.metadata), Object.entries(metadata));
});

test('names of layers that are not there', () => {
  for (const word of words) {
    const key = `model.diffusion_model.input_blocks.1.0.${word}.weight`;
    assert.doesNotMatch(JSON.stringify([...nameLdmKeys([key]).values()]), /function|\[object/);
  }
});

test('keys of a configuration: told, and nothing is polluted', () => {
  mkdirSync(join(root, 'alone'));
  const problems = (content: string): string => {
    try {
      loadConfig(file('alone/config.yaml', content));
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      isClean();
      return error.message;
    }
    return '';
  };
  for (const task of ['image', 'text-generation'])
    for (const word of words)
      for (const value of ['3', '{ polluted: 1 }'])
        assert.match(
          problems(`task_type: ${task}\n${word}: ${value}\n`),
          new RegExp(`config\\.yaml:2 ${word}: there is no such key`),
        );
  assert.match(
    problems('task_type: text-generation\nrank_pattern: { __proto__: 4 }\n'),
    /config\.yaml:2 rank_pattern: there is no such name: __proto__/,
  );
  assert.match(
    problems('datasets: [{ path: a.jsonl, constructor: 1 }]\nsequence_len: 8\n'),
    /constructor of data set 1: there is no such setting here/,
  );
  mkdirSync(join(root, 'data'), { recursive: true });
  writeFileSync(join(root, 'data/dataset_info.json'), '{}');
  assert.match(
    problems(`sequence_len: 8\ndataset_dir: ${join(root, 'data')}\ndataset: __proto__\n`),
    /there is no such file or folder: __proto__/,
  );
  const tokenizer = { chatTemplate: undefined, specialTokens: {}, addsBos: false };
  for (const word of words)
    assert.throws(() => chatTemplate(tokenizer, word), /there is no chat template "/);
});

test('tokens of a vocabulary', () => {
  const folder = join(root, 'tokenizer');
  mkdirSync(folder);
  const tokens = [...words, '<|startoftext|>', '<|endoftext|>'].map(
    (word, i) => [word, i] as const,
  );
  writeFileSync(join(folder, 'vocab.json'), json(tokens));
  writeFileSync(join(folder, 'merges.txt'), '#version: 0.2\n');
  const read = readClipVocabulary(folder)?.tokens ?? new Map();
  assert.deepEqual([...read].sort(), [...tokens].sort());

  writeFileSync(join(folder, 'vocab.json'), json([['constructor', 1]]));
  assert.throws(() => readClipVocabulary(folder), /has no <\|startoftext\|>/);

  const { model, ...rest } = tinyTokenizer();
  const first = Object.keys(model.vocab).length;
  const vocab = json([
    ...Object.entries(model.vocab),
    ...words.map((word, i) => [word, first + i] as const),
  ]);
  const text = JSON.stringify({ ...rest, model: { ...model, vocab: 'VOCAB' } });
  writeFileSync(
    join(folder, 'tokenizer.json'),
    text.replace('"VOCAB"', () => vocab),
  );
  writeFileSync(join(folder, 'config.json'), '{}');
  const tokenizer = readTextTokenizer(folder);
  for (const [i, word] of words.entries()) {
    assert.equal(tokenizer.idOf(word), first + i);
    assert.equal(tokenizer.tokenOf(first + i), word);
  }
  assert.equal(tokenizer.idOf('isPrototypeOf'), undefined);
  const entries = new Map(tokenizerEntries(folder, first + words.length));
  const list = JSON.stringify(entries.get('tokenizer.ggml.tokens'));
  for (const word of words) assert.ok(list.includes(JSON.stringify(word)), word);
});

test('columns of tables, names of pictures and fields of records', async () => {
  const data = join(root, 'pictures');
  await writePictures(
    data,
    words.map((_, i) => [8 + i, 8] as const),
  );
  for (const [i, word] of words.entries())
    renameSync(join(data, `p${i}.png`), join(data, `${word}.png`));
  const rows = words.map((word) => `${word}.png,x,${word}`);
  writeFileSync(join(data, 'metadata.csv'), ['filename,__proto__,prompt', ...rows].join('\n'));
  const { samples } = await readImageFolder({ trainDataDir: data });
  assert.deepEqual(samples.map(({ caption }) => caption).sort(), [...words].sort());

  const record =
    '"__proto__": {"polluted": 1}, "constructor": "x", "prompt": "p", "completion": "c"';
  const paths = [
    file('records.jsonl', `{${record}}\n`),
    file('records.csv', '__proto__,constructor,prompt,completion\n1,2,p,c\n'),
  ];
  for (const path of paths) {
    const { samples: texts } = await readTextFiles([{ path }]);
    assert.deepEqual(texts[0].content, { kind: 'completion', prompt: 'p', completion: 'c' });
  }
  const asked = readQuestion({ where: 'q:1', value: JSON.parse(`{${record}}`) }, { forbidden: [] });
  assert.ok('question' in asked && asked.question.expected === 'c', JSON.stringify(asked));
  isClean();
});
