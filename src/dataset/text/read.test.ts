// Every form of file and sample is read alike, and every fault is named at its line.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataError } from '../../errors.ts';
import { readTextFiles, type ReadText } from './read.ts';
import type { TextContent } from './sample.ts';
import { withFolder } from './text.test-util.ts';

const read = (name: string, content: string | Uint8Array): Promise<ReadText> => withFolder({ [name]: content }, (folder) => readTextFiles([{ path: join(folder, name) }]));

const contents = async (name: string, content: string): Promise<TextContent[]> => (await read(name, content)).samples.map((sample) => sample.content);

/** `line: what` of each fault. */
async function faults(name: string, content: string | Uint8Array): Promise<string[]> {
  const error = await read(name, content).then(
    () => assert.fail('no fault found'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DataError, String(error));
  return error.problems.map(({ where, what }) => `${/:(\d+)$/.exec(where)?.[1] ?? '-'}: ${what}`);
}

const user = { role: 'user', content: 'Q' } as const;
const assistant = { role: 'assistant', content: 'A' } as const;

test('five forms of samples', async () => {
  const lines = [
    { messages: [{ role: 'system', content: 'S' }, user, assistant] },
    { conversations: [{ from: 'human', value: 'Q' }, { from: 'gpt', value: 'A' }], system: 'S' },
    { instruction: 'Sort', input: '2 1', output: '1 2' },
    { instruction: 'Sort', input: '', output: '1 2' },
    { prompt: 'Q', completion: ' A' },
    { question: 'Q', answer: 'A' },
    { text: '您好 😀' },
    { messages: [user, { ...assistant, weight: 0 }, user, { role: 'model', content: [{ type: 'text', text: 'A' }] }] },
  ];
  const { samples, notices } = await read('a.jsonl', lines.map((line) => JSON.stringify(line)).join('\r\n'));
  assert.deepEqual(
    samples.map(({ content }) => content),
    [
      { kind: 'chat', messages: [{ role: 'system', content: 'S' }, user, assistant] },
      { kind: 'chat', messages: [{ role: 'system', content: 'S' }, user, assistant] },
      { kind: 'chat', messages: [{ role: 'user', content: 'Sort\n2 1', instruction: 'Sort', input: '2 1' }, { role: 'assistant', content: '1 2' }] },
      { kind: 'chat', messages: [{ role: 'user', content: 'Sort' }, { role: 'assistant', content: '1 2' }] },
      { kind: 'completion', prompt: 'Q', completion: ' A' },
      { kind: 'completion', prompt: 'Q', completion: 'A' },
      { kind: 'text', text: '您好 😀' },
      { kind: 'chat', messages: [user, { ...assistant, train: false }, user, assistant] },
    ],
  );
  assert.match(samples[6].where, /a\.jsonl:7$/);
  assert.match(notices[0], /JSON lines, 2 samples of messages, 1 sample of ShareGPT conversations, 2 samples of Alpaca/);
});

test('the form of a file is found by looking', async () => {
  const pair = { kind: 'completion', prompt: 'Q, "x"', completion: 'A\nB' };
  const json = JSON.stringify({ prompt: 'Q, "x"', completion: 'A\nB' });
  assert.deepEqual(await contents('a.json', `[\n ${json},\n ${json}\n]\n`), [pair, pair]);
  assert.deepEqual(await contents('a.json', `${json}\n${json}`), [pair, pair]);
  assert.deepEqual(await contents('a.txt', `\ufeff${json}\n`), [pair]);
  assert.deepEqual(await contents('a.csv', 'prompt,completion\n"Q, ""x""","A\nB"\n'), [pair]);
  assert.deepEqual(await contents('a.tsv', 'prompt\tcompletion\nQ\tA\n'), [{ kind: 'completion', prompt: 'Q', completion: 'A' }]);
  assert.deepEqual(await contents('a.txt', '[one]\n\ntwo\n\n\nthree\n'), [{ kind: 'text', text: '[one]\n\ntwo' }, { kind: 'text', text: 'three' }]);
  assert.deepEqual(await contents('a.csv', `messages\n"${JSON.stringify([user, assistant]).replaceAll('"', '""')}"\n`), [{ kind: 'chat', messages: [user, assistant] }]);
});

test('lines are those of the file, in arrays and CSV too', async () => {
  const array = await read('a.json', '[\n{"text":\n "a, ]"},\n\n{"text": "b"}]');
  assert.deepEqual(array.samples.map(({ where }) => where.replace(/.*:/, '')), ['2', '5']);
  const csv = await read('a.csv', 'text\n"one\nmore"\n\ntwo\n');
  assert.deepEqual(csv.samples.map(({ where }) => where.replace(/.*:/, '')), ['2', '5']);
  const plain = await read('a.txt', 'one\n\n\n\ntwo');
  assert.deepEqual(plain.samples.map(({ where }) => where.replace(/.*:/, '')), ['1', '5']);
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
    messages(assistant, user),
    messages(user, user, assistant),
    messages(user, { role: 'system', content: 'S' }, assistant),
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
    /^1: broken JSON/, /^2: has none of the known fields, but "promt", "complete"/, /^3: has "prompt" but no "completion"/, /^4: "output" is empty/,
    /^5: is a string/, /^6: "messages" has no messages/, /^7: message 1 is the assistant's, where the user's turn is/, /^8: message 2 is the user's/,
    /^9: message 2 is a system message/, /^10: ends without an answer/, /^11: message 2 \(assistant\) is empty/, /^12: message 2 has the role "tool"/,
    /^13: message 1 \(user\) has no "content"/, /^13: message 2 has no "role"/, /^13: message 3 is a string/, /^14: message 1 \(user\): its content is a list/,
    /^15: "text" is a number/, /^16: is empty/,
  ];
  assert.equal(found.length, expected.length, found.join('\n'));
  expected.forEach((pattern, i) => assert.match(found[i], pattern));
});

test('faults of files', async () => {
  assert.match((await faults('a.jsonl', Buffer.from([...Buffer.from('{"text":"a"}\n{"text":"'), 0xc4, 0xe3, 0xba, 0xc3, ...Buffer.from('"}')])))[0], /^2: is not UTF-8/);
  assert.match((await faults('a.json', '[{"text": "a"}, {"text": "b"'))[0], /^1: broken JSON|cut off/);
  assert.match((await faults('a.json', '[{"text": "a"}\n'))[0], /^1: the array does not end/);
  assert.match((await faults('a.csv', 'text\n"open\n'))[0], /is not valid CSV/);
  assert.match((await faults('a.jsonl', ' \n'))[0], /holds no samples/);
  await assert.rejects(readTextFiles([{ path: 'nowhere.jsonl' }, { path: 'src' }]), (error) => error instanceof DataError && error.problems.length === 2);
  const many = await faults('a.jsonl', '{}\n'.repeat(80));
  assert.equal(many.length, 51);
  assert.match(many[50], /has 30 more faults/);
});

test('the same sample twice is mentioned', async () => {
  const { warnings } = await read('a.jsonl', '{"text":"a"}\n{"text":"b"}\n{"text":" a"}\n');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /a\.jsonl:3: the same sample as .*a\.jsonl:1/);
});
