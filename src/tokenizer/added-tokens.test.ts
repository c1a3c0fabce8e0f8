import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_ID, readTextTokenizer, type TextTokenizer } from './text.ts';

type Files = Readonly<Record<string, unknown>>;

interface Golden {
  readonly text: string;
  readonly cases: readonly {
    readonly name: string;
    readonly files: Files & { readonly 'tokenizer_config.json': object };
    readonly ids: readonly number[];
    readonly bos: number | null;
    readonly eos: number | null;
  }[];
}

/** Made by reference/added_tokens.py. */
const golden: Golden = JSON.parse(readFileSync('reference/golden/added_tokens.json', 'utf8'));
const plain = golden.cases[0].files;

function opened(files: Files): TextTokenizer {
  const folder = mkdtempSync(join(tmpdir(), 'added-tokens-'));
  try {
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(folder, name), JSON.stringify(content));
    return readTextTokenizer(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whose end token no file gives an id. */
const lacksEnd = new Set(['an end token that tokenizer.json lacks', 'special_tokens_map.json']);

for (const { name, files, ids, bos, eos } of golden.cases)
  test(`tokens of other files than tokenizer.json, as in transformers: ${name}`, () => {
    const tokenizer = opened(files);
    assert.deepEqual([...tokenizer.encode(golden.text, { special: false })], ids);
    assert.deepEqual([tokenizer.bos ?? null, tokenizer.eos ?? null], [bos, eos]);
    const follows = !name.includes('do not follow');
    assert.equal(tokenizer.warnings.length, follows && !lacksEnd.has(name) ? 0 : 1);
    if (!follows)
      assert.match(
        tokenizer.warnings[0].where,
        /<\|im_end\|> \(40 becomes 28\).*<x> \(50 becomes 29\)/,
      );
  });

const ends = (eos_token_id: unknown) =>
  opened({ ...plain, 'generation_config.json': { eos_token_id } });

test('ids of generation_config.json that are no whole numbers are refused at their key', () => {
  for (const [value, shown] of [
    ['1', '"1"'],
    [1.5, '1.5'],
    [[1, 2.5], '[1,2.5]'],
    [[1, null], '[1,null]'],
  ])
    assert.throws(
      () => ends(value),
      (error) =>
        String(error).includes(`generation_config.json eos_token_id: is ${shown}, not a whole`),
    );
  assert.deepEqual(ends(null).endIds, [1]);
});

test("the tokenizer's own end beyond the model's rows ends nothing", () => {
  const endsOf = (vocab_size: number) =>
    opened({ ...plain, 'config.json': { vocab_size, eos_token_id: [0, 1, 2] } });
  assert.equal(endsOf(1).eos, 1);
  assert.deepEqual(endsOf(1).endIds, [0]);
  assert.deepEqual(endsOf(2).endIds, [1, 0]);
  assert.deepEqual(endsOf(3).endIds, [1, 0, 2]);
});

test('an end id of -1, alone or among others, is told', () => {
  for (const value of [-1, [-1]]) {
    const { endIds, warnings } = ends(value);
    assert.deepEqual(endIds, [1]);
    assert.match(warnings[0].what, /^has -1, which is no token: /);
  }
});

test('end ids for which the model has no embedding end nothing, and are reported', () => {
  const files = { ...plain, 'config.json': { vocab_size: 30 } };
  const tokenizer = opened({
    ...files,
    'generation_config.json': { eos_token_id: [29, -1, 30, 5000] },
  });
  assert.deepEqual(tokenizer.endIds, [1, 29]);
  assert.equal(tokenizer.rows, 30);
  assert.deepEqual(
    tokenizer.warnings.map(({ what }) => what),
    [
      'has 30, 5000, for which the model has no embedding: it never generates them',
      "has -1, which is no token: the other end ids, and the tokenizer's eos_token, end an answer",
    ],
  );
});

test('a token that the tokenizer itself puts around a text has the id of its vocabulary', () => {
  const around = (token: string, id: number) => ({
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  });
  const withPost = (post_processor: object) =>
    opened({
      ...plain,
      'tokenizer.json': Object.assign({}, plain['tokenizer.json'], { post_processor }),
    });
  assert.deepEqual([...withPost(around('<s>', 0)).encode('a')].slice(0, 1), [0]);
  assert.throws(() => withPost(around('<s>', 7)), /"<s>" of id 7 .* in the vocabulary its id is 0/);
  const sequence = { type: 'Sequence', processors: [around('<gone>', 3)] };
  assert.throws(() => withPost(sequence), /"<gone>" of id 3 .* has no such token/);
});

test('a character for which there is no token, nor an unknown token, does not become token 0', () => {
  const tokenizer = Object.assign({}, plain['tokenizer.json']);
  const model = { ...Object(tokenizer)['model'], unk_token: '<unk>' };
  const unknown = opened({ ...plain, 'tokenizer.json': { ...tokenizer, model } });
  assert.deepEqual([...unknown.encode('aé', { special: false })], [2, NO_ID]);
});
