// Texts are divided as the tokenizers library in Rust divides them (reference/text_tokenizers.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asExpressions } from './pre-tokenizer.ts';

interface Golden {
  readonly steps: {
    readonly text: string;
    readonly pieces: readonly (readonly [step: object, pieces: readonly string[]])[];
  };
}

const { steps }: Golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/text_tokenizers.json', import.meta.url), 'utf8'),
);

/** As the library divides a text by an expression. */
function divided(step: unknown, text: string): string[] {
  // What `asExpressions` gives for the steps of the golden file.
  const { pattern, behavior, invert } = step as {
    pattern: { Regex?: string; String?: string };
    behavior: string;
    invert: boolean;
  };
  const expression = pattern.Regex ?? pattern.String ?? '';
  if (invert) return text.match(new RegExp(expression, 'gu')) ?? [];
  return text
    .split(new RegExp(behavior === 'Removed' ? expression : `(${expression})`, 'gu'))
    .filter((piece) => piece !== '');
}

for (const [step, pieces] of steps.pieces) {
  test(`pieces by ${JSON.stringify(step)}`, () =>
    assert.deepEqual(divided(asExpressions(step), steps.text), pieces));
}

test('each step of a sequence is rewritten, others are left', () => {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const sequence = {
    type: 'Sequence',
    pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel],
  };
  assert.deepEqual(asExpressions(sequence), {
    type: 'Sequence',
    pretokenizers: [asExpressions(sequence.pretokenizers[0]), byteLevel],
  });
  assert.equal(asExpressions(null), null);
});
