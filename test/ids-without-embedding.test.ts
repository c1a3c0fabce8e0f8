// Ids that a model has no embedding for, wherever they come from: in training, previews
// and evaluation.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../src/config/load.ts';
import { ConfigError, DataError } from '../src/errors.ts';
import { openModel } from '../src/eval/open-model.ts';
import { train } from '../src/train/run.ts';
import { smallLlama, writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'ids-'));
after(() => rmSync(root, { recursive: true, force: true }));
const at = (...names: string[]) => join(root, ...names);
const ROWS = 64;

type Json = Record<string, unknown>;
const change = (path: string, by: (content: Json) => Json) =>
  writeFileSync(path, JSON.stringify(by(JSON.parse(readFileSync(path, 'utf8')))));

/** A small model whose tokenizer has one token more, of this id. */
function writeModel(name: string, token: string, id: number, config: Json = {}, ids: Json = {}) {
  const folder = at(name);
  writeSmallLanguageModel(folder, { config: { ...smallLlama, ...ids } });
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  change(join(folder, 'tokenizer.json'), (file) => ({
    ...file,
    // an array in each of these files
    added_tokens: [
      ...(file.added_tokens as Json[]),
      { id, content: token, special: true, ...flags },
    ],
  }));
  change(join(folder, 'tokenizer_config.json'), (file) => ({ ...file, ...config }));
}

const dialogue = (question: string, answer: string) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  });
const plain = [dialogue('hi', 'hello there, dear.'), dialogue('where is it?', 'here.')];
writeFileSync(at('data.jsonl'), plain.join('\n'));
writeFileSync(at('pad.jsonl'), [...plain, dialogue('hi [PAD]', 'hello.')].join('\n'));
writeFileSync(at('text.txt'), 'a lamp.\n');
writeModel('plain', '[PAD]', 50);
writeModel('pad', '[PAD]', ROWS, { pad_token: '[PAD]' }, { pad_token_id: ROWS });
writeModel('minus', '[PAD]', 50, {}, { pad_token_id: -1, bos_token_id: -1 });
writeModel('stop', '<|stop|>', ROWS, { eos_token: '<|stop|>' }, { eos_token_id: ROWS });

async function losses(base: string, data = 'data.jsonl', settings: object = {}) {
  const found: number[] = [];
  const job = parseConfig({
    task_type: 'text-generation',
    base_model: at(base),
    train_data_dir: at(data),
    output_dir: at(`run-${base}`),
    max_seq_length: 64,
    lora_rank: 2,
    batch_size: 2,
    max_train_steps: 2,
    num_threads: 1,
    tensorboard: false,
    ...settings,
  });
  for await (const event of train(job)) if (event.type === 'step') found.push(event.loss);
  return found;
}

const refuses = (
  run: Promise<unknown>,
  kind: typeof DataError | typeof ConfigError,
  pattern: RegExp,
) =>
  assert.rejects(run, (error: unknown) => {
    assert.ok(error instanceof kind, String(error));
    assert.match(error.message, pattern);
    return true;
  });

test('a padding token of id 64 on 64 embeddings, and pad_token_id -1, change no loss', async () => {
  const expected = await losses('plain');
  assert.equal(expected.length, 2);
  assert.deepEqual(await losses('pad'), expected);
  assert.deepEqual(await losses('minus'), expected);
});

test('a sample whose words hold such a token is named with its line and the token', () =>
  refuses(
    losses('pad', 'pad.jsonl'),
    DataError,
    /pad\.jsonl:3: holds the token "\[PAD\]" \(id 64\)/,
  ));

test('texts that such an end token would end name the key that gives it', () =>
  refuses(losses('stop', 'text.txt'), DataError, /text\.txt:1: .*"<\|stop\|>".*\n.*eos_token/));

test('prompts and questions that hold such a token are named before the training', async () => {
  const prompts = { sample_prompts: ['hi', 'a [PAD]'] };
  await refuses(losses('pad', 'data.jsonl', prompts), ConfigError, /number 2: .*"\[PAD\]"/);
  writeFileSync(at('eval.jsonl'), dialogue('a [PAD]', 'b'));
  const questions = { eval_path: at('eval.jsonl') };
  await refuses(losses('pad', 'data.jsonl', questions), DataError, /eval\.jsonl:1: .*"\[PAD\]"/);
});

test('lora eval names the question and the token', async () => {
  await losses('pad');
  const { answerer } = openModel({ adapter: at('run-pad'), baseModel: at('pad') });
  const question = { where: 'q:7', facts: [], forbidden: [], expected: 'b' };
  const [found, ...more] =
    answerer.check?.({ ...question, prompt: { kind: 'completion', text: '[PAD]' } }) ?? [];
  assert.match(`${found.where} ${found.what}`, /q:7 holds the token "\[PAD\]"/);
  assert.equal(more.length, 0);
  await answerer.close?.();
});
