import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createClipTokenizer } from './clip.ts';
import { embeddedClipVocabulary } from './clip-vocabulary.ts';

interface Golden {
  readonly text: string;
  readonly cases: readonly {
    readonly name: string;
    readonly files: Readonly<Record<string, object>>;
    readonly ids: readonly number[];
  }[];
}

/** Made by reference/clip_added_tokens.py. */
const golden: Golden = JSON.parse(readFileSync('reference/golden/clip_added_tokens.json', 'utf8'));
const { tokens, merges } = await embeddedClipVocabulary();
const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function folderOf(files: Readonly<Record<string, object>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'clip-'));
  folders.push(folder);
  const lines = ['#version: 0.2', ...merges.map((pair) => pair.join(' ')), ''];
  writeFileSync(join(folder, 'vocab.json'), JSON.stringify(Object.fromEntries(tokens)));
  writeFileSync(join(folder, 'merges.txt'), lines.join('\n'));
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), JSON.stringify(content));
  return folder;
}

for (const { name, files, ids } of golden.cases)
  test(`CLIP: tokens and padding of the other files of a tokenizer folder, as in transformers: ${name}`, async () => {
    const tokenizer = await createClipTokenizer(folderOf(files));
    assert.deepEqual([...tokenizer.encode(golden.text, ids.length)], ids);
  });
