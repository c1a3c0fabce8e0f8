// Files of questions in every form, and every mistake in one message with its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { withFolder } from '../dataset/text/text.test-util.ts';
import { DataError } from '../errors.ts';
import { type EvalSet, readEvalFile } from './eval-file.ts';
import { askedText } from './questions.ts';

const read = (
  files: Readonly<Record<string, string | Uint8Array>>,
  name: string,
  general?: string,
): Promise<EvalSet> =>
  withFolder(files, (folder) =>
    readEvalFile(join(folder, name), general === undefined ? undefined : join(folder, general)),
  );

test('fields that nobody reads were not named', async () => {
  const lines = [
    { question: 'How long?', answer: 'Five days', explanation: 'by post', id: 7, source: 'faq' },
    {
      messages: [
        { role: 'user', content: 'How?' },
        { role: 'assistant', content: 'So' },
      ],
      expected: 'Not so',
    },
    { question: 'Why?', answer: 'Because', rubric: null, must_include: [], category: 'x' },
    { text: 'Some text here', answer: 'z' },
  ];
  const { warnings } = await read(
    { 'q.jsonl': lines.map((one) => JSON.stringify(one)).join('\n') },
    'q.jsonl',
  );
  assert.deepEqual(
    warnings.map(({ where, what }) => [where.replace(/[^ ,]*\//g, ''), what]),
    [
      [
        'q.jsonl:1, q.jsonl:2, q.jsonl:4',
        'holds fields that are not read, and not judged: "explanation" (1 question), "expected" (1 question), "answer" (1 question)',
      ],
    ],
  );
  const described = await read(
    { 'q.yaml': 'questions:\n  - question: How?\n    answer: So\n    rubric: kind\n' },
    'q.yaml',
  );
  assert.match(described.warnings[0].what, /not judged: "rubric" \(1 question\)/);
  const table = await read(
    { 'q.csv': 'question,answer,rubric,notes,uid,idx\nHow?,So,kind,mine,7,8\n' },
    'q.csv',
  );
  assert.match(table.warnings[0].what, /not judged: "rubric" \(1 question\)$/);
});

async function problems(
  files: Readonly<Record<string, string | Uint8Array>>,
  name: string,
): Promise<string[]> {
  try {
    const set = await read(files, name);
    return assert.fail(`accepted ${JSON.stringify(set)}`);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return error.problems.map(
      ({ where, what, fix = '' }) =>
        `${where.replace(/^.*\//, '')} ${what.replace(/\/\S*\//, '')} | ${fix}`,
    );
  }
}

const yaml = `forbidden: [as an AI]
system: You answer for Lumen.
questions:
  - question: How long?
    answer: 45 days.
    facts: [45 days, [free, no charge]]
    topic: returns
  - more.jsonl
  - messages:
      - {role: system, content: Own}
      - {role: user, content: Hi}
    facts: 24
general: general.csv
`;
const more =
  '{"messages":[{"role":"user","content":"Where?"},{"role":"assistant","content":"Here."}],"facts":["here"],"forbidden":["there"]}\n{"text":"Only a text."}\n';
const csv =
  'question,answer,facts\n2 + 2?,It is 4,4\n,,\n"Capital\nof France?",Paris,"Paris; [not JSON"\n';

test('a YAML file with questions, files of questions, a general set, and what holds for all', async () => {
  const { questions, general, warnings } = await read(
    { 'eval.yaml': yaml, 'more.jsonl': more, 'general.csv': csv },
    'eval.yaml',
  );
  assert.deepEqual(questions.map(askedText), ['How long?', 'Where?', 'Only a text.', 'Hi']);
  assert.deepEqual(
    questions.map(({ where }) => where.replace(/^.*\//, '')),
    ['eval.yaml:4', 'more.jsonl:1', 'more.jsonl:2', 'eval.yaml:9'],
  );
  assert.deepEqual(questions[0].prompt, {
    kind: 'chat',
    messages: [
      { role: 'system', content: 'You answer for Lumen.' },
      { role: 'user', content: 'How long?' },
    ],
  });
  assert.deepEqual(questions[0].facts, [['45 days'], ['free', 'no charge']]);
  assert.deepEqual(
    [questions[0].topic, questions[0].expected, questions[0].forbidden],
    ['returns', '45 days.', ['as an AI']],
  );
  assert.deepEqual(questions[1].forbidden, ['as an AI', 'there']);
  assert.deepEqual(questions[2].prompt, { kind: 'text' });
  assert.deepEqual([questions[3].facts, questions[3].expected], [[['24']], undefined]);
  assert.deepEqual(
    general.map(({ where, facts }) => [where.replace(/^.*\//, ''), facts]),
    [
      ['general.csv:2', [['4']]],
      ['general.csv:4', [['Paris'], ['[not JSON']]],
    ],
  );
  assert.deepEqual(
    warnings.map(({ where, what }) => [where.replace(/[^ ]*\//g, ''), what]),
    [
      [
        'eval.yaml:4 ("free"), general.csv:4 ("[not JSON")',
        'its own expected answer does not contain this fact',
      ],
    ],
  );
});

test('JSON: an object, an array, lines; a second file as the general set', async () => {
  const object = JSON.stringify(
    {
      questions: [{ question: 'A?', expected: 'B' }],
      general: [{ prompt: 'C?', completion: 'D' }],
    },
    null,
    2,
  );
  const one = await read({ 'eval.json': object }, 'eval.json');
  assert.deepEqual(
    [
      one.questions[0].expected,
      one.general[0].expected,
      one.questions[0].where.replace(/^.*\//, ''),
    ],
    ['B', 'D', 'eval.json:3'],
  );
  const array = await read(
    {
      'a.json': '[\n {"instruction":"A?","output":"B"}\n]',
      'g.jsonl': '{"question":"C?","expected_answer":"D","required_facts":["d"]}',
    },
    'a.json',
    'g.jsonl',
  );
  assert.deepEqual(
    [askedText(array.questions[0]), array.general[0].expected, array.general[0].facts],
    ['A?', 'D', [['d']]],
  );
});

test('the example of the customer service is read without a word', async () => {
  const { questions, general, warnings } = await readEvalFile(
    'data/customer_service/eval.jsonl',
    'data/customer_service/general.jsonl',
  );
  assert.ok(questions.length >= 30 && general.length >= 20);
  assert.deepEqual(
    warnings.filter(({ what }) => !/is asked already/.test(what)),
    [],
  );
});

test('every mistake at once, each with its line', async () => {
  const broken = `forbiden: [a]
system: [x]
questions:
  - question: One?
  - question: Two?
    answer: B
    fact: [B]
  - question: Three?
    facts: {a: b}
  - question: Four?
    answer: Sorry, four.
    facts: [sorry]
    forbidden: [sorry]
  - just text
  - question: Five?
    facts: [[]]
  - [1]
general: none.jsonl
`;
  assert.deepEqual(await problems({ 'e.yaml': broken }, 'e.yaml'), [
    'e.yaml:1 unknown key "forbiden" | Did you mean "forbidden"? The file has questions (a list, or files of them), general, forbidden and system.',
    'e.yaml:2 "system" is not text | Write the system message in quotes.',
    'e.yaml:4 has no expected answer, no facts and nothing forbidden: there is nothing to judge an answer by | Add "answer", or "facts".',
    'e.yaml:5 has an unknown field "fact" | Did you mean "facts"?',
    'e.yaml:8 "facts" is an object (key: value), not a list of phrases | Write facts: ["first", "second"].',
    'e.yaml:10 "sorry" is forbidden, but a required fact contains it | Remove it from one of the two.',
    'e.yaml:14 is text; expected a question with its answer | Write "- question: …" with "answer: …" below it, or the path of a file of questions, relative to this file.',
    'e.yaml:15 "facts" number 1 is an empty list, not a phrase | Write text in quotes, or a list of wordings of which one is enough.',
    'e.yaml:17 is a list, not an object with fields | Write an object with messages (a list of {role, content}), conversations (a list of {from, value}), instruction with output, prompt with completion, or text.',
    'e.yaml:18 there is no file none.jsonl | Write "- question: …" with "answer: …" below it, or the path of a file of questions, relative to this file.',
  ]);
});

test('files that are none', async () => {
  assert.match(
    (await problems({ 'e.yaml': '- question: A\n' }, 'e.yaml'))[0],
    /^e.yaml:1 the file is a list \| Add the line "questions:" above it/,
  );
  assert.match(
    (await problems({ 'e.yaml': 'questions: [a\n' }, 'e.yaml'))[0],
    /^e.yaml:\d not valid YAML/,
  );
  assert.match(
    (await problems({ 'e.yaml': 'general: []\n' }, 'e.yaml'))[0],
    /^e.yaml has no "questions"/,
  );
  assert.match(
    (await problems({ 'e.yaml': 'questions: []\n' }, 'e.yaml'))[0],
    /^e.yaml has no questions/,
  );
  assert.match(
    (await problems({ 'e.yaml': 'questions: 3\n' }, 'e.yaml'))[0],
    /^e.yaml:1 "questions" is not a list/,
  );
  assert.match((await problems({}, 'e.yaml'))[0], /^e.yaml there is no such file/);
  assert.match(
    (
      await problems(
        { 'e.jsonl': '{"question": "A", "answer": "B"}\n{"question": "C",\n' },
        'e.jsonl',
      )
    )[0],
    /^e.jsonl:2 broken JSON/,
  );
  assert.match(
    (await problems({ 'e.jsonl': new Uint8Array([0x7b, 0xff, 0xfe, 0x81, 0xff]) }, 'e.jsonl'))[0],
    /^e.jsonl:1 has an unclear encoding/,
  );
  assert.match((await problems({ 'e.jsonl': '' }, 'e.jsonl'))[0], /^e.jsonl holds no samples/);
});

test('a question asked twice is a warning', async () => {
  const line = '{"question": "A", "answer": "B"}\n';
  const { warnings } = await read(
    { 'e.jsonl': line + line, 'g.jsonl': line },
    'e.jsonl',
    'g.jsonl',
  );
  assert.equal(warnings.length, 1);
  assert.match(
    `${warnings[0].where}: ${warnings[0].what}`,
    /e\.jsonl:2 \(like .*e\.jsonl:1: A\), .*g\.jsonl:1 \(like .*e\.jsonl:1: A\): the same question is asked already$/,
  );
});
