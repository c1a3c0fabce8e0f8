import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { scalarOf } from '../tensor/gguf.ts';
import { endTokens } from './gguf-ends.ts';
import { exportGguf } from './export-gguf.ts';
import { tokenizerEntries } from './gguf-tokenizer.ts';
import { writeTinyModel } from './language-model.test-util.ts';

const texts = ['<|eos|>', '<|im_end|>', '<stop>', '<|eom_id|>', '<end>', '<halt>'];

function written(ends: readonly number[], eos = 0) {
  const { entries, left } = endTokens(ends, eos, (id) => texts[id]);
  const key = (name: string) => scalarOf(new Map(entries), `tokenizer.ggml.${name}`);
  const list = new Map(entries).get('tokenizer.ggml.eos_token_ids');
  return {
    eot: key('eot_token_id'),
    eom: key('eom_token_id'),
    all: list?.type === 'array' ? list.values : undefined,
    left,
  };
}

test('the extra end ids of generation_config.json are in the keys that llama.cpp and Ollama read', () => {
  const none = { eot: undefined, eom: undefined, all: undefined, left: [] };
  assert.deepEqual(written([0]), none);
  assert.deepEqual(written([]), none);
  assert.deepEqual(written([0, 1]), { ...none, eot: 1, all: [0, 1] });
  // those that llama.cpp knows by name come last; a message's end has its own key
  assert.deepEqual(written([0, 1, 2]), { ...none, eot: 2, eom: 1, all: [0, 1, 2] });
  assert.deepEqual(written([3, 2, 0]), { ...none, eot: 2, eom: 3, all: [0, 3, 2] });
  assert.deepEqual(written([1, 2, 3, 4, 5]).left, ['<end>', '<halt>']);
  assert.deepEqual(written([0, 99]), none); // no such token
});

test('a model whose answers end at several tokens: the file has them, what does not fit is reported', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    write(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [257, 65, 66] }));
    const entries = new Map(tokenizerEntries(folder, 288));
    const ids = ['eos', 'eot', 'eom'].map((name) =>
      scalarOf(entries, `tokenizer.ggml.${name}_token_id`),
    );
    assert.deepEqual(ids, [257, 65, 66]);
    write(
      join(folder, 'generation_config.json'),
      JSON.stringify({ eos_token_id: [257, 65, 66, 67] }),
    );
    assert.match(
      exportGguf({ path: folder }).notes?.join('\n') ?? '',
      /does not stop at \S+, Ollama does/,
    );
  });
});

test('an end token that the tokenizer does not have was replaced by the one of config.json in silence', () => {
  withFolder((folder) => {
    writeTinyModel(folder, 'llama');
    const settings = (eos_token: unknown) =>
      write(
        join(folder, 'tokenizer_config.json'),
        JSON.stringify({ bos_token: '<s>', eos_token, pad_token: null }),
      );
    for (const token of ['</S>', { content: '</S>' }]) {
      settings(token);
      assert.match(
        exportGguf({ path: folder }).notes?.join('\n') ?? '',
        /calls "<\/S>" the eos token, but the tokenizer has no such token/,
      );
    }
    settings('</s>');
    assert.doesNotMatch(exportGguf({ path: folder }).notes?.join('\n') ?? '', /no such token/);
  });
});
