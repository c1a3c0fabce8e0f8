import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrompt } from './prompt.ts';

const loras = (prompt: string) =>
  parsePrompt(prompt).loras.map(({ name, textEncoder, unet }) => [name, textEncoder, unet]);

test('adapters are taken out of the prompt in their order', () => {
  assert.deepEqual(parsePrompt('a cat <lora:品牌:0.8>, neon<lyco:ink>'), {
    text: 'a cat , neon',
    loras: [
      { name: '品牌', textEncoder: 0.8, unet: 0.8 },
      { name: 'ink', textEncoder: 1, unet: 1 },
    ],
  });
});

test('strengths by place and by name', () => {
  assert.deepEqual(
    loras('<lora:a:0.5:0.25><lora:b:unet=0.5><lora:c:te=0><lora:d:-1:unet=2:te=3> <lora: e : .5 >'),
    [
      ['a', 0.5, 0.25],
      ['b', 1, 0.5],
      ['c', 0, 0],
      ['d', 3, 2],
      ['e', 0.5, 0.5],
    ],
  );
});

test('what is no mention stays', () => {
  for (const text of ['', 'a < b > c', '<lora:>', '<lora:a:much>', '<lora:a:>', '<hypernet:a:1>'])
    assert.deepEqual(parsePrompt(text), { text, loras: [] });
});
