// The tokenizer's files are what the script writes, and give transformers' ids; the trainer merges
// what is frequent.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ChatMessage, chatTemplate } from '../../src/tokenizer/chat.ts';
import { readTextTokenizer } from '../../src/tokenizer/text.ts';
import { trainBpe } from './bpe-training.ts';
import { tokenizerFiles } from './tokenizer.ts';

interface Golden {
  readonly texts: readonly { readonly text: string; readonly ids: number[] }[];
  readonly chats: readonly {
    readonly messages: readonly ChatMessage[];
    readonly add_generation_prompt: boolean;
    readonly text: string;
    readonly ids: number[];
  }[];
}

const folder = fileURLToPath(new URL('.', import.meta.url));
// From reference/tiny_llm_tokenizer.py.
const golden: Golden = JSON.parse(readFileSync('reference/golden/tiny_llm_tokenizer.json', 'utf8'));
const tokenizer = readTextTokenizer(folder);

test('the files are those that the script writes', () => {
  for (const [name, text] of Object.entries(tokenizerFiles()))
    assert.equal(readFileSync(folder + name, 'utf8'), text, name);
});

test("100 texts have transformers' ids, and come back whole", () => {
  assert.equal(golden.texts.length, 100);
  for (const { text, ids } of golden.texts) {
    assert.deepEqual([...tokenizer.encode(text)], ids, JSON.stringify(text));
    assert.equal(tokenizer.decode(ids, { special: true }), text);
  }
});

test('conversations are written as transformers writes them', () => {
  const template = chatTemplate(tokenizer) ?? assert.fail('no template');
  for (const { messages, add_generation_prompt: prompt, text, ids } of golden.chats) {
    assert.equal(template.render(messages, prompt), text);
    assert.deepEqual([...tokenizer.encode(text, { special: false })], ids);
  }
});

test('the most frequent pair first, ties by the alphabet, none that occurs once', () => {
  const { model } = trainBpe({ texts: ['abab abab', 'cd cd', 'xy'], special: ['<s>'], size: 1000 });
  // " abab" once and "abab" once: ab four times, abab twice; cd twice
  assert.deepEqual(model.merges, ['a b', 'ab ab', 'c d']);
  assert.deepEqual([model.vocab['<s>'], model.vocab['!'], model.vocab['abab']], [0, 34, 258]);
});
