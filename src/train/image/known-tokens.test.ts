import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from '../../errors.ts';
import { stableDiffusion15 } from '../../models/stable-diffusion-config.ts';
import { createClipTokenizer } from '../../tokenizer/clip.ts';
import { requireKnownTokens } from './known-tokens.ts';

test('captions and prompts whose tokens the text encoder has no embedding for are named with the token', async () => {
  const tokenizer = await createClipTokenizer();
  const pictures = ['a cat', 'a zebra', 'a zebra'].map((caption, i) => ({
    name: `${i}.png`,
    caption,
  }));
  const config = { sample_prompts: ['a dog', 'a zebra'], sample_negative_prompt: '' };
  requireKnownTokens({ config, pictures }, tokenizer, stableDiffusion15);
  const zebra = tokenizer.encode('zebra')[1];
  // an encoder that ends before the word; begin and end are refused elsewhere
  const known = {
    ...tokenizer,
    encode: (text: string) => tokenizer.encode(text).filter((id) => id < 49406),
  };
  const textEncoder = { ...stableDiffusion15.textEncoder, vocab_size: zebra };
  assert.throws(
    () => requireKnownTokens({ config, pictures }, known, { ...stableDiffusion15, textEncoder }),
    (error) =>
      error instanceof DataError &&
      error.problems.length === 1 &&
      /^the caption of 1\.png, the caption of 2\.png, sample_prompts, number 2: holds the token "zebra<\/w>" \(id \d+\)/.test(
        error.message,
      ),
  );
});
