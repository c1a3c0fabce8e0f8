// Every form of file and sample is read alike, and every fault is named at its line.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataError, formatProblem } from '../../errors.ts';
import { readTextFiles, type ReadText } from './read.ts';
import type { TextContent } from './sample.ts';
import { withFolder } from './text.test-util.ts';

const read = (name: string, content: string | Uint8Array): Promise<ReadText> =>
  withFolder({ [name]: content }, (folder) => readTextFiles([{ path: join(folder, name) }]));

const contents = async (name: string, content: string): Promise<TextContent[]> =>
  (await read(name, content)).samples.map((sample) => sample.content);

/** `line: what` of each fault. */
async function faults(name: string, content: string | Uint8Array): Promise<string[]> {
  const error = await read(name, content).then(
    () => assert.fail('no fault found'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DataError, String(error));
  const lineOf = (where: string) => (/:\d/.test(where) ? where.replace(/^.*:(?=\d)/, '') : '-');
  return error.problems.map(
    ({ where, what }) => `${where.split(', ').map(lineOf).join(', ')}: ${what}`,
  );
}

const user = { role: 'user', content: 'Q' } as const;
const assistant = { role: 'assistant', content: 'A' } as const;

test('five forms of samples', async () => {
  const lines = [
    { messages: [{ role: 'system', content: 'S' }, user, assistant] },
    {
      conversations: [
        { from: 'human', value: 'Q' },
        { from: 'gpt', value: 'A' },
      ],
      system: 'S',
    },
    { instruction: 'Sort', input: '2 1', output: '1 2' },
    { instruction: 'Sort', input: '', output: '1 2' },
    { prompt: 'Q', completion: ' A' },
    { question: 'Q', answer: 'A' },
    { text: '您好 😀' },
    {
      messages: [
        user,
        { ...assistant, weight: 0 },
        user,
        { role: 'model', content: [{ type: 'text', text: 'A' }] },
      ],
    },
  ];
  const { samples, notices } = await read(
    'a.jsonl',
    lines.map((line) => JSON.stringify(line)).join('\r\n'),
  );
  assert.deepEqual(
    samples.map(({ content }) => content),
    [
      { kind: 'chat', messages: [{ role: 'system', content: 'S' }, user, assistant] },
      { kind: 'chat', messages: [{ role: 'system', content: 'S' }, user, assistant] },
      {
        kind: 'chat',
        messages: [
          { role: 'user', content: 'Sort\n2 1', fields: { instruction: 'Sort', input: '2 1' } },
          { role: 'assistant', content: '1 2' },
        ],
      },
      {
        kind: 'chat',
        messages: [
          { role: 'user', content: 'Sort' },
          { role: 'assistant', content: '1 2' },
        ],
      },
      { kind: 'completion', prompt: 'Q', completion: ' A' },
      { kind: 'completion', prompt: 'Q', completion: 'A' },
      { kind: 'text', text: '您好 😀' },
      { kind: 'chat', messages: [user, { ...assistant, train: false }, user, assistant] },
    ],
  );
  assert.match(samples[6].where, /a\.jsonl:7$/);
  assert.match(
    notices[0],
    /JSON lines, 2 samples of messages, 1 sample of ShareGPT conversations, 2 samples of Alpaca/,
  );
});

test('the form of a file is found by looking', async () => {
  const pair = { kind: 'completion', prompt: 'Q, "x"', completion: 'A\nB' };
  const json = JSON.stringify({ prompt: 'Q, "x"', completion: 'A\nB' });
  assert.deepEqual(await contents('a.json', `[\n ${json},\n ${json}\n]\n`), [pair, pair]);
  assert.deepEqual(await contents('a.json', `${json}\n${json}`), [pair, pair]);
  assert.deepEqual(await contents('a.txt', `\ufeff${json}\n`), [pair]);
  assert.deepEqual(await contents('a.csv', 'prompt,completion\n"Q, ""x""","A\nB"\n'), [pair]);
  assert.deepEqual(await contents('a.jsonl', `${json}\n\ufeff${json}`), [pair, pair]);
  assert.deepEqual(await contents('a.tsv', 'prompt\tcompletion\nQ\tA\n'), [
    { kind: 'completion', prompt: 'Q', completion: 'A' },
  ]);
  assert.deepEqual(await contents('a.txt', '[one]\n\ntwo\n\n\nthree\n'), [
    { kind: 'text', text: '[one]\n\ntwo' },
    { kind: 'text', text: 'three' },
  ]);
  assert.deepEqual(
    await contents(
      'a.csv',
      `messages\n"${JSON.stringify([user, assistant]).replaceAll('"', '""')}"\n`,
    ),
    [{ kind: 'chat', messages: [user, assistant] }],
  );
});

test('lines are those of the file, in arrays and CSV too', async () => {
  const array = await read('a.json', '[\n{"text":\n "a, ]"},\n\n{"text": "b"}]');
  assert.deepEqual(
    array.samples.map(({ where }) => where.replace(/.*:/, '')),
    ['2', '5'],
  );
  const csv = await read('a.csv', 'text\n"one\nmore"\n\ntwo\n');
  assert.deepEqual(
    csv.samples.map(({ where }) => where.replace(/.*:/, '')),
    ['2', '5'],
  );
  const plain = await read('a.txt', 'one\n\n\n\ntwo');
  assert.deepEqual(
    plain.samples.map(({ where }) => where.replace(/.*:/, '')),
    ['1', '5'],
  );
});

test('all faults of samples are named at once', async () => {
  const messages = (...list: unknown[]): string => JSON.stringify({ messages: list });
  const lines = [
    '{"text": "a",}',
    '{"promt": "Q", "complete": "A"}',
    '{"prompt": "Q"}',
    '{"instruction": "I", "output": ""}',
    '"only a string"',
    messages(),
    messages(user, user),
    messages({ role: 'system', content: 'S' }),
    JSON.stringify({ messages: [user, assistant], tools: 5 }),
    messages(user),
    messages(user, { role: 'assistant', content: ' ' }),
    messages(user, { role: 'tool', content: 'x' }),
    messages({ role: 'user' }, { content: 'A' }, 'x'),
    messages({ role: 'user', content: [{ type: 'image' }] }, assistant),
    '{"text": 5}',
    '{}',
  ];
  const found = await faults('a.jsonl', lines.join('\n'));
  const expected = [
    /^1: broken JSON/,
    /^2: has none of the known fields, but "promt", "complete"/,
    /^3: has "prompt" but no "completion"/,
    /^4: "output" is empty/,
    /^5: is a string/,
    /^6: "messages" has no messages/,
    /^7, 8, 10: has no answer of the assistant/,
    /^9: "tools" is a number/,
    /^11: message 2 \(assistant\) is empty/,
    /^12: message 2 has the role "tool"/,
    /^13: message 1 \(user\) has no "content"/,
    /^13: message 2 has no "role"/,
    /^13: message 3 is a string/,
    /^14: message 1 \(user\): its content is a list/,
    /^15: "text" is a number/,
    /^16: is empty/,
  ];
  assert.equal(found.length, expected.length, found.join('\n'));
  // those of one kind stand together
  const byLine = found.toSorted((a, b) => parseInt(a) - parseInt(b));
  expected.forEach((pattern, i) => assert.match(byLine[i], pattern));
});

test('faults of files', async () => {
  assert.match(
    (await faults('a.jsonl', Buffer.from('{"text":"世界"}\n{"text":"世界"}').subarray(0, -3)))[0],
    /^2: is not UTF-8/,
  );
  assert.match(
    (await faults('a.csv', Buffer.from('PK\x03\x04 and so on')))[0],
    /^-: is an Excel workbook/,
  );
  assert.match(
    (await faults('a.jsonl', Buffer.from(Array.from({ length: 256 }, (_, i) => i))))[0],
    /^-: is not a text file/,
  );
  assert.match(
    (await faults('a.json', '[{"text": "a"}, {"text": "b"'))[0],
    /^1: broken JSON|cut off/,
  );
  assert.match((await faults('a.json', '[{"text": "a"}\n'))[0], /^1: the array does not end/);
  assert.match((await faults('a.csv', 'text\n"open\n'))[0], /is not valid CSV/);
  assert.match((await faults('a.jsonl', ' \n'))[0], /holds no samples/);
  await assert.rejects(
    readTextFiles([{ path: 'nowhere.jsonl' }, { path: 'src' }]),
    (error) => error instanceof DataError && error.problems.length === 2,
  );
  assert.deepEqual(
    (await faults('a.jsonl', '{"text": "a"},\n{"text": "b"},\n')).map((fault) =>
      fault.slice(0, 15),
    ),
    ['1, 2: broken JS'],
  );
  assert.match(
    (await faults('a.json', '[{"text": "a"}]\n\nmore'))[0],
    /^3: there is something after the end/,
  );
  assert.match(
    (await faults('a.json', '{\n"prompt": "a",\n"completion": "b",\n}'))[0],
    /^4: broken JSON: .* before }/,
  );
  assert.match(
    (await faults('a.json', '{"train": [{"text": "a"}], "test": [{"text": "b"}]}'))[0],
    /^1: holds several lists of samples: "train", "test"/,
  );
});

test('faults of one kind are told once, with three places and the count', async () => {
  const lines = Array.from({ length: 80 }, (_, i) =>
    i % 2 === 0 ? '{}' : JSON.stringify({ prompt: `q${i}`, completion: '' }),
  );
  const many = await faults(
    'a.jsonl',
    [...lines, 'broken', '{"a"', '{"b', '{"c": ', '{"d": [1'].join('\n'),
  );
  const [bare, empty, word, early] = many;
  assert.equal(many.length, 4);
  assert.match(bare, /^1, 3, 5 and 37 more \(40 in all\): is empty/);
  assert.match(empty, /^2, 4, 6 and 37 more \(40 in all\): "completion" is empty/);
  assert.match(word, /^81: broken JSON: broken is not in double quotes/);
  assert.match(early, /^82, 83, 84 and 1 more \(4 in all\): broken JSON: it ends too early/);
});

test('tables: a wrong first line is one fault, and no cell is lost', async () => {
  assert.deepEqual(await faults('a.csv', 'Hello,Hi\n'.repeat(100)), [
    '1: the first line has none of the known fields, but "hello", "hi"',
  ]);
  assert.deepEqual(await faults('a.csv', 'text\nWell, yes\nfine\n'), [
    '2: has 2 cells, but the first line names 1 column',
  ]);
  assert.deepEqual(await faults('a.csv', 'prompt,prompt,completion\na,b,c\n'), [
    '1: two columns are called "prompt"',
  ]);
  const pair = [{ kind: 'completion', prompt: 'a;b', completion: 'c' }];
  assert.deepEqual(await contents('a.csv', '\ufeffPrompt;Completion\r\n"a;b";c;;\r\n'), pair);
  assert.deepEqual(await contents('a.csv', 'sep=|\nprompt|completion\na;b|c\n'), pair);
});

test('what Notepad saves in Germany is read, and said', async () => {
  const file = Buffer.from('{"text":"a"}\n{"text":"für Straße"}', 'latin1');
  const { samples, warnings } = await read('a.jsonl', file);
  assert.deepEqual(samples[1].content, { kind: 'text', text: 'für Straße' });
  assert.match(formatProblem(warnings[0]), /a\.jsonl:2 .*Windows-1252/);
});

test('what Excel and Notepad save in China is read, and said', async () => {
  // "你好,您好" in GBK
  const gbk = Buffer.from([
    ...Buffer.from('prompt,completion\r\n'),
    0xc4,
    0xe3,
    0xba,
    0xc3,
    0x2c,
    0xc4,
    0xfa,
    0xba,
    0xc3,
  ]);
  const { samples, warnings } = await read('a.csv', gbk);
  assert.deepEqual(samples[0].content, { kind: 'completion', prompt: '你好', completion: '您好' });
  assert.match(
    formatProblem(warnings[0]),
    /a\.csv:2 \("你好,您好"\): is not UTF-8; it was read as GB18030 \(GBK\)/,
  );
  const wide = Buffer.from(JSON.stringify({ prompt: '你好', completion: '您好' }), 'utf16le');
  assert.deepEqual((await read('a.jsonl', wide)).samples[0].content, samples[0].content);
  assert.deepEqual((await read('a.txt', Buffer.from('abc\0def'))).samples[0].content, {
    kind: 'text',
    text: 'abc\0def',
  });
});

test('lists of messages, one object, and lists inside an object', async () => {
  const dialogue = [{ kind: 'chat', messages: [user, assistant] }];
  for (const value of [
    [user, assistant],
    [[user, assistant]],
    { data: [{ messages: [user, assistant] }] },
    { version: 1, samples: [[user, assistant]] },
  ]) {
    assert.deepEqual(await contents('a.json', JSON.stringify(value)), dialogue);
    assert.deepEqual(await contents('a.json', JSON.stringify(value, undefined, 2)), dialogue);
  }
  const { samples } = await read(
    'a.json',
    JSON.stringify({ data: [{ text: 'a' }, { text: 'b' }] }, undefined, 1),
  );
  assert.deepEqual(
    samples.map(({ where }) => where.replace(/.*:/, '')),
    ['3', '6'],
  );
  assert.deepEqual(
    await contents(
      'a.json',
      `${JSON.stringify({ text: 'a' }, undefined, 1)}\n${JSON.stringify({ text: 'b' }, undefined, 1)}`,
    ),
    [
      { kind: 'text', text: 'a' },
      { kind: 'text', text: 'b' },
    ],
  );
});

test('what would be lost or misread is a fault', async () => {
  const lines = [
    { prompt: 'Translate', input: 'dog', output: 'Hund' },
    { prompt: 'Q', completion: 'A', response: 'B' },
    { prompt: 'Q', chosen: 'A', rejected: 'B' },
    { output: 'A' },
    { promt: 'Q', completion: 'A' },
    { instruction: 'I', input: 5, output: 'A' },
    { instruction: 'I', history: ['Q', 'A'], output: 'A' },
    { messages: [user, { ...assistant, train: 'false' }] },
    { messages: [{ role: 'constructor', content: 'Q' }, assistant] },
    { system: 'S', conversations: [user, user] },
    {
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [{ id: 'c1' }] },
        user,
        assistant,
      ],
    },
    { messages: [user, { role: 'assistant', content: '\u200b' }] },
    { prompt: ['Q', 'R'], completion: ['A', 'B'] },
  ];
  const found = await faults('a.jsonl', lines.map((line) => JSON.stringify(line)).join('\n'));
  const expected = [
    /^1: has "prompt" and "input"/,
    /^2: has "completion" and "response"/,
    /^3: has "chosen" and "rejected"/,
    /^4: has "output", but no question/,
    /^5: has "completion", but no question/,
    /^6: "input" is a number/,
    /^7: "history" is not a list/,
    /^8: message 2 \(assistant\): "train" is "false"/,
    /^9: message 1 has the role "constructor"/,
    /^10: has no answer of the assistant/,
    /^11: message 2 \(assistant\) calls a tool/,
    /^12: message 2 \(assistant\) is empty/,
    /^13: "prompt" is a list/,
    /^13: "completion" is a list/,
  ];
  assert.equal(found.length, expected.length, found.join('\n'));
  const byLine = found.toSorted((a, b) => parseInt(a) - parseInt(b));
  expected.forEach((pattern, i) => assert.match(byLine[i], pattern));
});

test('samples that are there twice are told once; those that differ in blanks are not called the same', async () => {
  const texts = ['a', 'b', 'a', 'b', 'a', ' a', 'b\n'];
  const lines = texts.map((text) => JSON.stringify({ text })).join('\n');
  const { warnings } = await read('a.jsonl', lines);
  const told = warnings.map(formatProblem);
  assert.equal(told.length, 2, told.join('\n'));
  assert.match(
    told[0],
    /a\.jsonl:3 \(like .*a\.jsonl:1\).*: the same sample is in the data already/,
  );
  assert.match(
    told[1],
    /a\.jsonl:6 \(like .*a\.jsonl:1\), .*a\.jsonl:7 \(.*\): .* differs in spaces/,
  );
});

test('a quote that is not closed where it should be is told by the line that it is opened on', async () => {
  assert.match(
    (await faults('a.csv', 'prompt,completion\nq1,"a\nq2,"b"\nq3,c\n'))[0],
    /^2: is not valid CSV: a double quote is opened here and not closed before line 3/,
  );
  assert.match(
    (await faults('a.csv', 'prompt,completion\nq1,"a\nq2,b "" c\n'))[0],
    /^2: is not valid CSV: a double quote is opened here and never closed/,
  );
  assert.match(
    (await faults('a.csv', 'prompt,completion\r\nq1,"a"\r\nq2,"b" c\r\n'))[0],
    /^3: is not valid CSV: text follows/,
  );
});

test('rows that an open quote swallows are told; prose over several lines is none', async () => {
  const told = (text: string): Promise<string[]> =>
    withFolder({ 'a.csv': text }, async (folder) =>
      (await readTextFiles([{ path: join(folder, 'a.csv') }])).warnings.map(({ what }) => what),
    );
  assert.match(
    (await told('prompt,completion\nq1,"a\nq2,b\nq3,c"\nq4,d\n')).join(),
    /goes on over lines that look like rows/,
  );
  assert.deepEqual(
    await told('prompt,completion\nq,"Dear friend,\nthanks, and bye,\nYours"\n'),
    [],
  );
});

test('an answer labelled false, as for KTO, is told', async () => {
  const lines = [true, false].map((label, i) =>
    JSON.stringify({ prompt: `q${i}`, completion: `a${i}`, label }),
  );
  const { warnings } = await withFolder({ 'a.jsonl': lines.join('\n') }, (folder) =>
    readTextFiles([{ path: join(folder, 'a.jsonl') }]),
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0].where, /a\.jsonl:2$/);
});
