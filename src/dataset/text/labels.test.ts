// Ids and trained tokens equal those that transformers gives by the prefix-length method
// (reference/text_tokenizers.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ChatMessage, chatTemplate } from '../../tokenizer/chat.ts';
import { sequencesOf } from './sequences.ts';
import { goldenTokenizer } from './text.test-util.ts';

type Row = readonly [ids: readonly number[], spans: readonly (readonly [number, number])[]];

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../reference/golden/${name}`, import.meta.url), 'utf8'));
// Written by the script named above.
const { labels } = read('text_labels.json') as {
  labels: Record<string, Record<string, Record<string, Row[]>>>;
};
const { conversations, templates } = read('chat_templates.json') as {
  conversations: Record<string, ChatMessage[]>;
  templates: Record<string, { source: string }>;
};

for (const [name, byTemplate] of Object.entries(labels)) {
  test(`${name}: tokens and what is trained of them`, async () => {
    const tokenizer = await goldenTokenizer(name);
    for (const [template, byTitle] of Object.entries(byTemplate)) {
      for (const [title, rows] of Object.entries(byTitle)) {
        const sample = {
          where: 'a:1',
          source: 0,
          content: { kind: 'chat' as const, messages: conversations[title] },
        };
        const { sequences } = sequencesOf(sample, {
          tokenizer,
          template: chatTemplate(tokenizer, templates[template].source),
          maxSeqLength: 4096,
        });
        const expected = rows.map(([ids, spans]) => ({
          ids: [...ids],
          trained: ids.map((_, i) => Number(spans.some(([start, end]) => i >= start && i < end))),
        }));
        assert.deepEqual(
          sequences.map(({ ids, trained }) => ({ ids: [...ids], trained: [...trained] })),
          expected,
          `${template}, ${title}`,
        );
      }
    }
  });
}
