import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClipTokenizer } from './clip.ts';
import { embeddedClipVocabulary } from './clip-vocabulary.ts';

interface Golden {
  readonly cases: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly padded_end: readonly number[];
  }[];
}

// The file is written by reference/clip_tokenizer.py, so its shape is known.
const golden = JSON.parse(readFileSync('reference/golden/clip_tokenizer.json', 'utf8')) as Golden;
const before = process.cpuUsage();
const tokenizer = await createClipTokenizer();
const used = process.cpuUsage(before);
/** Milliseconds of CPU, which other work on the machine does not change much. */
const loading = (used.user + used.system) / 1000;

test('loads without a download, in far less time than a person notices', () => {
  console.log(`      loaded in ${loading.toFixed(0)} ms`);
  assert.ok(loading < 3000);
  assert.equal(tokenizer.bos, 49406);
  assert.equal(tokenizer.eos, 49407);
});

for (const { text, ids, padded_end } of golden.cases) {
  test(`ids of ${JSON.stringify(text.slice(0, 40))} equal transformers'`, () => {
    assert.deepEqual(Array.from(tokenizer.encode(text, ids.length)), ids);
    assert.equal(tokenizer.tokenCount(text), ids.length - 2);
    const padded = tokenizer.encode(text);
    assert.equal(padded.length, 77);
    assert.deepEqual(Array.from(padded.slice(-3)), padded_end);
    assert.deepEqual(
      Array.from(padded.slice(0, Math.min(76, ids.length))),
      ids.slice(0, Math.min(76, ids.length)),
    );
  });
}

test('reads vocab.json and merges.txt, or tokenizer.json, of a diffusers folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clip-'));
  try {
    const { tokens, merges } = await embeddedClipVocabulary();
    writeFileSync(join(folder, 'vocab.json'), JSON.stringify(Object.fromEntries(tokens)));
    writeFileSync(
      join(folder, 'merges.txt'),
      ['#version: 0.2', ...merges.map((pair) => pair.join(' ')), ''].join('\n'),
    );
    const own = await createClipTokenizer(folder);
    for (const { text } of golden.cases) assert.deepEqual(own.encode(text), tokenizer.encode(text));
    writeFileSync(join(folder, 'vocab.json'), '{"a": ');
    await assert.rejects(
      createClipTokenizer(folder),
      /vocab\.json: this file is not JSON, or it is damaged/,
    );
    writeFileSync(join(folder, 'vocab.json'), '{"a": 0}');
    await assert.rejects(
      createClipTokenizer(folder),
      /vocab\.json: the vocabulary has no <\|startoftext\|> and no <\|endoftext\|>/,
    );
    rmSync(join(folder, 'vocab.json'));
    writeFileSync(
      join(folder, 'tokenizer.json'),
      JSON.stringify({
        model: { vocab: Object.fromEntries(tokens), merges: merges.map((pair) => pair.join(' ')) },
      }),
    );
    const whole = await createClipTokenizer(folder);
    for (const { text } of golden.cases)
      assert.deepEqual(whole.encode(text), tokenizer.encode(text));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
