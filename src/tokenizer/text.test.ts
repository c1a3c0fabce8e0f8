// Ids and texts equal those of transformers, for the four kinds of tokenizers that language models
// have.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { readTextTokenizer, type TextTokenizer } from './text.ts';

interface Case {
  readonly text: string;
  readonly ids: number[];
  readonly with_special: number[];
  readonly decoded: string;
  readonly decoded_skip: string;
}

interface Golden {
  readonly tokenizers: Readonly<
    Record<
      string,
      { readonly files: Readonly<Record<string, unknown>>; readonly cases: readonly Case[] }
    >
  >;
}

// From reference/text_tokenizers.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/text_tokenizers.json', import.meta.url), 'utf8'),
);

function withFiles<T>(files: Readonly<Record<string, unknown>>, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'text-tokenizer-'));
  try {
    for (const [name, content] of Object.entries(files))
      writeFileSync(
        join(folder, name),
        typeof content === 'string' ? content : JSON.stringify(content),
      );
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const opened = (name: string, more: Readonly<Record<string, unknown>> = {}): TextTokenizer =>
  withFiles({ ...golden.tokenizers[name].files, ...more }, readTextTokenizer);

function streamed(tokenizer: TextTokenizer, ids: ArrayLike<number>, special = false): string {
  const stream = tokenizer.stream({ special });
  return Array.from(ids, (id) => stream.push(id)).join('') + stream.end();
}

for (const [name, { cases }] of Object.entries(golden.tokenizers)) {
  test(`${name}: ids, texts and streamed texts equal transformers'`, () => {
    const tokenizer = opened(name);
    for (const { text, ids, with_special, decoded, decoded_skip } of cases) {
      assert.deepEqual([...tokenizer.encode(text, { special: false })], ids, text);
      assert.deepEqual([...tokenizer.encode(text)], with_special, text);
      assert.equal(tokenizer.decode(ids, { special: true }), decoded);
      assert.equal(tokenizer.decode(ids), decoded_skip);
      assert.equal(streamed(tokenizer, ids), decoded_skip);
      assert.equal(streamed(tokenizer, ids, true), decoded);
    }
  });
}

test('a stream gives nothing of an unfinished character', () => {
  const tokenizer = opened('llama3');
  const stream = tokenizer.stream();
  const pieces = [...tokenizer.encode('a😀', { special: false })].map((id) => stream.push(id));
  assert.ok(pieces.length > 2 && pieces.every((piece) => !piece.includes('\ufffd')));
  assert.equal(pieces.join(''), 'a😀');
  const half = tokenizer.stream();
  assert.equal(half.push(tokenizer.encode('😀', { special: false })[0]), '');
  assert.equal(half.end(), '\ufffd');
});

test('special tokens: their ids, who adds the first, and where generation ends', () => {
  const tokenizer = opened('llama3', { 'generation_config.json': { eos_token_id: [1, 5] } });
  assert.deepEqual([tokenizer.bos, tokenizer.eos, tokenizer.addsBos], [0, 1, true]);
  assert.deepEqual(tokenizer.endIds, [1, 5]);
  const config = { 'config.json': { model_type: 'llama', eos_token_id: 7 } };
  // where there is no generation_config.json
  assert.deepEqual(opened('llama3', config).endIds, [1, 7]);
  assert.deepEqual(opened('llama3', { ...config, 'generation_config.json': {} }).endIds, [1]);
  assert.ok(tokenizer.specialIds.has(tokenizer.idOf('<|end|>') ?? -1));
  assert.equal(opened('gpt2').addsBos, false);
  assert.equal(
    tokenizer.size,
    Math.max(...golden.tokenizers['llama3'].cases.flatMap(({ ids }) => ids), tokenizer.size - 1) +
      1,
  );
});

test('the chat template: a file of its own, the configuration, one of several', () => {
  const config = golden.tokenizers['gpt2'].files['tokenizer_config.json'];
  const withTemplate = (chat_template: unknown): unknown =>
    Object.assign({}, config, { chat_template });
  assert.equal(opened('gpt2').chatTemplate, undefined);
  assert.equal(
    opened('gpt2', { 'tokenizer_config.json': withTemplate('{{ 1 }}') }).chatTemplate,
    '{{ 1 }}',
  );
  const several = [
    { name: 'tool_use', template: 'x' },
    { name: 'default', template: 'y' },
  ];
  assert.equal(
    opened('gpt2', { 'tokenizer_config.json': withTemplate(several) }).chatTemplate,
    'y',
  );
  assert.equal(
    opened('gpt2', { 'tokenizer_config.json': withTemplate('a'), 'chat_template.jinja': 'b' })
      .chatTemplate,
    'b',
  );
});

test('folders without a usable tokenizer say so', () => {
  const file = golden.tokenizers['gpt2'].files['tokenizer.json'];
  const word = {
    id: 999,
    content: 'lamp',
    single_word: true,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
  };
  assert.throws(
    () => opened('gpt2', { 'tokenizer.json': Object.assign({}, file, { added_tokens: [word] }) }),
    /"lamp" counts as a whole word only/,
  );
  assert.throws(
    () => withFiles({}, readTextTokenizer),
    (error) => error instanceof CheckpointError && /no tokenizer\.json/.test(error.message),
  );
  assert.throws(() => withFiles({ 'tokenizer.model': 'x' }, readTextTokenizer), /SentencePiece/);
  assert.throws(() => withFiles({ 'tokenizer.json': '{"model":' }, readTextTokenizer), /not JSON/);
});
