// Line breaks and unseen characters in samples: one rule for every field of every form of file.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTextFiles } from './read.ts';
import type { TextContent } from './sample.ts';
import { withFolder } from './text.test-util.ts';

async function read(name: string, content: string) {
  const { samples, warnings } = await withFolder({ [name]: content }, (folder) =>
    readTextFiles([{ path: join(folder, name) }]),
  );
  return { contents: samples.map((one): TextContent => one.content), warnings };
}

test('\\r\\n inside a message trains \\n, not \\r, and is told once with the fields', async () => {
  const record = (words: string) => ({
    messages: [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: words, reasoning_content: 'one\r\ntwo' },
    ],
  });
  const lines = ['a\r\nb', 'c', 'd\r\ne\r\nf', 'g'].map((words) => JSON.stringify(record(words)));
  const { contents, warnings } = await read('a.jsonl', lines.join('\n'));
  assert.doesNotMatch(JSON.stringify(contents), /\\r/);
  assert.deepEqual(contents[0], {
    kind: 'chat',
    messages: [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: 'a\nb', fields: { reasoning_content: 'one\ntwo' } },
    ],
  });
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0].where,
    /a\.jsonl:1 \(messages\[1\]\.content\), .*a\.jsonl:2 \(messages\[1\]\.reasoning_content\), .* and 1 more \(4 in all\)$/,
  );
  assert.match(warnings[0].what, /line breaks of Windows \(\\r\\n\), which are trained as \\n$/);
});

test('every form of sample and file has the same line breaks', async () => {
  const odd = 'a\r\nb\rc\u2028d\ufeff';
  const plain = 'a\nb\nc\nd';
  const chat = (content: string) => [
    { role: 'user', content },
    { role: 'assistant', content },
  ];
  const records: readonly (readonly [unknown, TextContent])[] = [
    [{ text: odd }, { kind: 'text', text: plain }],
    [
      { prompt: odd, completion: odd },
      { kind: 'completion', prompt: plain, completion: plain },
    ],
  ];
  for (const [record, expected] of records) {
    for (const name of ['a.json', 'a.jsonl']) {
      const { contents, warnings } = await read(name, JSON.stringify(record));
      assert.deepEqual(contents, [expected]);
      assert.equal(warnings.length, 4);
    }
  }
  const { contents } = await read('a.json', JSON.stringify([{ instruction: odd, output: odd }]));
  assert.deepEqual(contents, [{ kind: 'chat', messages: chat(plain) }]);
  const cell = `"${odd}"`;
  assert.deepEqual((await read('a.csv', `prompt,completion\r\n${cell},${cell}\r\n`)).contents, [
    { kind: 'completion', prompt: plain, completion: plain },
  ]);
  assert.deepEqual((await read('a.txt', odd)).contents, [{ kind: 'text', text: plain }]);
});
