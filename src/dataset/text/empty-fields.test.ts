// What is empty is absent, at every depth: tables and typed columns have every field in every row.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpret } from './forms.ts';
import { readTextFiles } from './read.ts';
import type { TextContent } from './sample.ts';
import { withFolder } from './text.test-util.ts';

const nothing = [null, '', ' ', [], {}, [null], { name: null, arguments: '' }];
const user = { role: 'user', content: 'Q' } as const;
const assistant = { role: 'assistant', content: 'A' } as const;
const chat = { kind: 'chat', messages: [user, assistant] };

function content(record: unknown): TextContent {
  const read = interpret(record);
  assert.ok('content' in read, JSON.stringify([record, read]));
  return read.content;
}

test('tool_calls: [], function_call: {} and other empty fields of a message are absent', () => {
  const names = 'tool_calls function_call name refusal audio annotations weight train reasoning';
  for (const empty of nothing)
    for (const name of names.split(' '))
      assert.deepEqual(
        content({ messages: [user, { ...assistant, [name]: empty }] }),
        chat,
        `${name}: ${JSON.stringify(empty)}`,
      );
  const calls = { ...assistant, tool_calls: '[]', function_call: 'null' };
  assert.deepEqual(content({ messages: [user, calls] }), chat);
});

test('of two spellings of which one is empty the other is read', () => {
  for (const empty of nothing) {
    const messages = [
      { from: empty, value: empty, ...user },
      { role: empty, content: empty, from: 'gpt', value: 'A' },
    ];
    assert.deepEqual(content({ messages: empty, conversations: messages }), chat);
    assert.deepEqual(content({ conversation: messages, messages: empty, text: empty }), chat);
    const both = { prompt: empty, instruction: empty, question: 'Q', output: empty, response: 'A' };
    assert.deepEqual(content({ ...both, messages: empty, text: empty }), {
      kind: 'completion',
      prompt: 'Q',
      completion: 'A',
    });
    assert.deepEqual(
      content({ instruction: 'Q', input: empty, history: empty, completion: empty, output: 'A' }),
      chat,
    );
    assert.deepEqual(content({ text: empty, content: 'T', prompt: empty, completion: empty }), {
      kind: 'text',
      text: 'T',
    });
    assert.deepEqual(content({ messages: [user, assistant], tools: empty, system: empty }), chat);
    const tool = { name: 'f' };
    assert.deepEqual(content({ messages: [user, assistant], tools: empty, functions: [tool] }), {
      ...chat,
      tools: [tool],
    });
  }
});

test('a system message without content is none; one with an empty text is an empty one', () => {
  const system = (words: unknown) => [{ role: 'system', content: words }, user, assistant];
  assert.deepEqual(content({ messages: system(null) }), chat);
  assert.deepEqual(content({ messages: system('') }), { ...chat, messages: system('') });
  assert.deepEqual(content({ messages: system('S'), system: 'S' }), {
    ...chat,
    messages: system('S'),
  });
});

test('parts of a content, messages and tools that are empty are absent', () => {
  const parts = [{ type: 'text', text: 'A', image_url: null }, null, { type: null, text: null }];
  assert.deepEqual(content({ messages: [user, { ...assistant, content: parts }, {}, null] }), chat);
  assert.deepEqual(content({ messages: [user, assistant, { role: null, content: null }] }), chat);
  const column = { name: 'f', parameters: { properties: { a: { type: 'x' }, b: null } } };
  assert.deepEqual(content({ messages: [user, assistant], tools: [null, column] }), {
    ...chat,
    tools: [{ name: 'f', parameters: { properties: { a: { type: 'x' } } } }],
  });
});

test('rows of a table with a role column that is empty are not taken for one conversation', async () => {
  const rows = [1, 2].map((n) => ({ role: null, from: '', prompt: `Q${n}`, completion: 'A' }));
  const files = {
    'a.json': JSON.stringify(rows),
    'b.csv': 'messages,instruction,input,output,text\n,Q,,A,\n"[]",Q2,,A,\n',
    'c.json': JSON.stringify({ data: rows, text: null, messages: [] }),
  };
  await withFolder(files, async (folder) => {
    const read = async (name: string) =>
      (await readTextFiles([{ path: join(folder, name) }])).samples.map((one) => one.content.kind);
    assert.deepEqual(await read('a.json'), ['completion', 'completion']);
    assert.deepEqual(await read('b.csv'), ['chat', 'chat']);
    assert.deepEqual(await read('c.json'), ['completion', 'completion']);
  });
});

test('weight: 0 is not trained, also beside train: null', () => {
  const first = (fields: object) => content({ messages: [user, { ...assistant, ...fields }] });
  const untrained = { ...chat, messages: [user, { ...assistant, train: false }] };
  assert.deepEqual(first({ weight: 0, train: null }), untrained);
  assert.deepEqual(first({ weight: null, train: false }), untrained);
  assert.deepEqual(first({ weight: 1, train: null }), chat);
  const wrong = interpret({ messages: [user, { ...assistant, weight: 0.5, train: true }] });
  assert.ok('faults' in wrong);
  assert.match(wrong.faults[0].what, /"weight" is 0.5, where 0 or 1 is expected/);
});

test('fields of records that nothing reads are named: what describes a sample in the notice', async () => {
  const record = { prompt: 'Q', completion: 'A', id: 3, source: 's', explanation: 'E', sytem: 'S' };
  const lines = [record, { ...record, prompt: 'R', sytem: null }, { text: 'T', score: 1.5 }];
  const content = lines.map((line) => JSON.stringify(line)).join('\n');
  const { notices, warnings } = await withFolder({ 'a.jsonl': content }, (folder) =>
    readTextFiles([{ path: join(folder, 'a.jsonl') }]),
  );
  assert.match(
    notices[0],
    /; without effect: "id" \(2 samples\), "source" \(2 samples\), "score" \(1 sample\)$/,
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0].where, /a\.jsonl:1, .*a\.jsonl:2$/);
  assert.match(warnings[0].what, /not trained: "explanation" \(2 samples\), "sytem" \(1 sample\)/);
  assert.equal(warnings[0].fix, 'Did you mean "system" for "sytem"?');
});

test('what a field says that the sample says already is not missed; a context is the input', async () => {
  const chat = { prompt_text: 'Q', prompt: 'Q', messages: [user, assistant] };
  const read = interpret(chat);
  assert.ok('unread' in read);
  assert.deepEqual(read.unread, {});
  const fields = { instruction: 'Who?', input: 'Bob did it.' };
  const question = { role: 'user', content: 'Who?\nBob did it.', fields };
  assert.deepEqual(content({ instruction: 'Who?', context: 'Bob did it.', response: 'A' }), {
    kind: 'chat',
    messages: [question, assistant],
  });
});

test('a system prompt beside question and answer is part of the sample', () => {
  assert.deepEqual(content({ id: 1, system_prompt: 'S', question: 'Q', response: 'A' }), {
    ...chat,
    messages: [{ role: 'system', content: 'S' }, user, assistant],
  });
});
