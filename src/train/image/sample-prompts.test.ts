import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../errors.ts';
import { createClipTokenizer } from '../../tokenizer/clip.ts';
import { drawnText, samplePromptWarnings } from './sample-prompts.ts';

const tokenizer = await createClipTokenizer();
const warnings = (prompts: string[], negative = '') =>
  samplePromptWarnings(
    { sample_prompts: prompts, sample_negative_prompt: negative },
    { tokenizer, length: 77 },
  ).map(({ where, what }) => `${where} ${what}`);

const chunks = (count: number) => Array(count).fill('cat').join(' BREAK ');

test('a sample prompt with a weight that is no number ends the run before it begins, not at the first preview', () => {
  const refused: [string[], string, RegExp][] = [
    [['a cat', '(a cat:1.2.3)'], '', /^sample_prompts, number 2: .*"1\.2\.3"/],
    [['a cat'], '(low:.)', /^sample_negative_prompt: .*"\."/],
    [[chunks(11)], chunks(10), /^sample_prompts, number 1: .*11 chunks/],
    [['a cat', 'b'], '(low:.)', /^(?![^]*sample_prompts)sample_negative_prompt: /],
    [['<lora:a:much>'], '', /strength that is not a number/],
    [['a cat <hypernet:x:1>', 'embedding:foo'], '', /hypernetwork[^]*textual inversion/],
  ];
  for (const [prompts, negative, expected] of refused)
    assert.throws(
      () => warnings(prompts, negative),
      (error) => error instanceof ConfigError && expected.test(error.message),
      prompts.join(),
    );
});

test('adapters that a sample prompt names are left out of the text, and it is said', () => {
  assert.equal(drawnText('a cat <lora:mine:0.8>, neon'), 'a cat , neon');
  assert.deepEqual(warnings(['a cat', 'neon <lora:mine:0.8>']), [
    'sample_prompts, number 2 names the adapter mine, which is left out: samples are drawn with the adapter that is trained, and no other',
  ]);
});

test('plain prompts, and those in the script of the captions, need no word', () => {
  assert.deepEqual(warnings(['a cat', '水墨画，山水', '(a:1.2), [b], c BREAK d'], 'blurry'), []);
});
