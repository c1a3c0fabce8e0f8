import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { scalarOf } from '../tensor/gguf.ts';
import { tokenizerEntries, tokenizerNotes } from './gguf-tokenizer.ts';
import { golden, tinyTokenizer, writeTinyModel } from './language-model.test-util.ts';

const ROWS = golden.cases.llama.config.vocab_size;

/** Entries and notes of the tiny model with these files changed. */
function exported(files: Readonly<Record<string, object>>) {
  let found: {
    entries: Map<string, unknown>;
    notes: readonly string[];
    id: (name: string) => unknown;
  };
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    for (const [name, content] of Object.entries(files))
      write(join(folder, name), JSON.stringify(content));
    const entries = new Map(tokenizerEntries(folder, ROWS));
    found = {
      entries,
      notes: tokenizerNotes(folder, ROWS),
      id: (name) => scalarOf(entries, `tokenizer.ggml.${name}_token_id`),
    };
  });
  return found!; // `withFolder` has called the function
}

const config = (more: object) => ({ ...golden.cases.llama.config, ...more });
const outside = {
  ...tinyTokenizer(),
  added_tokens: [
    ...tinyTokenizer().added_tokens,
    { id: ROWS, content: '[PAD]', special: true },
    { id: ROWS + 1, content: '<|stop|>', special: true },
  ],
};

test('GGUF names no special token for which the model has no embedding, and says so', () => {
  const { id, notes, entries } = exported({
    'tokenizer.json': outside,
    'tokenizer_config.json': { bos_token: '<s>', eos_token: '<|stop|>', pad_token: '[PAD]' },
    'config.json': config({ pad_token_id: ROWS, eos_token_id: ROWS + 1 }),
  });
  assert.deepEqual([id('bos'), id('eos'), id('padding')], [256, undefined, undefined]);
  assert.equal(entries.get('tokenizer.ggml.eos_token_ids'), undefined);
  assert.deepEqual(notes, [
    `3 tokens left out, for which the model has no embedding: "[PAD]", "<|stop|>", eos_token_id ${ROWS + 1}`,
  ]);
});

test('ids of config.json in GGUF: -1 and null are none, those beyond the embeddings are left out', () => {
  const none = exported({ 'config.json': config({ pad_token_id: -1, bos_token_id: null }) });
  assert.deepEqual([none.id('padding'), none.id('bos'), none.notes], [undefined, 256, []]);
  const far = exported({ 'config.json': config({ pad_token_id: 5000 }) });
  assert.equal(far.id('padding'), undefined);
  assert.match(far.notes[0], /1 token left out, .*: pad_token_id 5000/);
  for (const pad_token_id of ['0', 1.5])
    assert.throws(
      () => exported({ 'config.json': config({ pad_token_id }) }),
      /config\.json pad_token_id: is .*, not a whole number/,
    );
});

test('GGUF has the end tokens of generation_config.json that the model has, and those of other files', () => {
  const { entries, id } = exported({
    'generation_config.json': { eos_token_id: [257, 266, -1, 9999] },
    'added_tokens.json': { '<|stop|>': 266 },
  });
  const ids = entries.get('tokenizer.ggml.eos_token_ids');
  assert.deepEqual(ids, { type: 'array', of: 'int32', values: [257, 266] });
  assert.deepEqual([id('eos'), id('eot')], [257, 266]);
});
