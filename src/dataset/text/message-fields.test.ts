// Fields of messages beside role and content reach the template as transformers gives them to it,
// and what a model thinks is trained with its answer (reference/message_fields.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chatTemplate } from '../../tokenizer/chat.ts';
import { showSample } from './show.ts';
import { sequencesOf, type SequenceOptions } from './sequences.ts';
import { interpret } from './forms.ts';
import type { TextSample } from './sample.ts';
import { goldenTokenizer } from './text.test-util.ts';
import { unreadMessageFields } from './unread-fields.ts';

type Row = readonly [ids: readonly number[], spans: readonly (readonly [number, number])[]];

interface Golden {
  readonly conversations: Readonly<Record<string, { messages: object[]; tools?: object[] }>>;
  readonly templates: Readonly<Record<string, string>>;
  readonly cases: Readonly<
    Record<string, Readonly<Record<string, { texts: [string, string]; rows: Row[] | null }>>>
  >;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../../reference/golden/message_fields.json', import.meta.url), 'utf8'),
);

function sampleOf(record: object): TextSample {
  const read = interpret(record);
  assert.ok('content' in read, JSON.stringify(read));
  return { where: 'a:1', source: 0, content: read.content };
}

async function optionsFor(template: string): Promise<SequenceOptions> {
  const tokenizer = await goldenTokenizer('llama3');
  return {
    tokenizer,
    template: chatTemplate(tokenizer, golden.templates[template]),
    maxSeqLength: 4096,
  };
}

/** The texts of a sample, the trained part in ⟦ ⟧. */
async function shown(template: string, record: object): Promise<string[]> {
  const options = await optionsFor(template);
  return sequencesOf(sampleOf(record), options).sequences.map((one) =>
    showSample(one, options.tokenizer).replace(/^.*\n/, ''),
  );
}

for (const [name, cases] of Object.entries(golden.cases)) {
  test(`template "${name}": texts and trained tokens with all fields equal transformers`, async () => {
    const options = await optionsFor(name);
    for (const [title, { texts, rows }] of Object.entries(cases)) {
      const sample = sampleOf(golden.conversations[title]);
      assert.ok(sample.content.kind === 'chat');
      const { messages, tools } = sample.content;
      const rendered = [false, true].map((prompt) =>
        options.template?.render(messages, prompt, tools),
      );
      assert.deepEqual(rendered, texts, title);
      if (rows === null) continue;
      assert.deepEqual(
        sequencesOf(sample, options).sequences.map(({ ids, trained }) => [[...ids], [...trained]]),
        rows.map(([ids, spans]) => [
          ids,
          ids.map((_, i) => Number(spans.some(([start, end]) => i >= start && i < end))),
        ]),
        title,
      );
    }
  });
}

const asked = { role: 'user', content: 'Where?' };

test('reasoning_content is trained with the answer, where it was dropped before', async () => {
  const record = {
    messages: [asked, { role: 'assistant', content: 'Here.', reasoning_content: 'It is near.' }],
  };
  assert.deepEqual(await shown('thinks', record), [
    '<|user|>\nWhere?</s>\n<|assistant|>\n⟦<think>\nIt is near.\n</think>\n\nHere.</s>\n⟧',
  ]);
});

test('a greeting that nobody asked for is trained with the thoughts before it', async () => {
  const [text] = await shown('opens', golden.conversations['greets']);
  assert.equal(
    text,
    '<|assistant|><think>⟦greet</think>Hello.</s>⟧<|user|>Where is 7?</s><|assistant|><think>⟦one</think>Here.</s>⟧',
  );
});

test('thoughts reach the template under the name that it reads, wherever they stand', async () => {
  const answers = [
    ...['reasoning_content', 'reasoning', 'thinking', 'thought'].map((name) => ({
      messages: [asked, { role: 'assistant', content: 'Here.', [name]: 'near' }],
    })),
    {
      messages: [
        asked,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'near', signature: 'x' },
            { type: 'text', text: 'Here.', citations: null },
          ],
        },
      ],
    },
    { question: 'Where?', reasoning: 'near', answer: 'Here.' },
    { instruction: 'Where?', input: '', output: 'Here.', reasoning_content: 'near' },
  ];
  for (const record of answers) {
    assert.match((await shown('thinks', record))[0], /⟦<think>\nnear\n<\/think>\n\nHere\.<\/s>\n⟧/);
    assert.match((await shown('opens', record))[0], /<think>⟦near<\/think>Here\.<\/s>⟧/);
  }
});

test('a thought that generation opens and the sample does not have is told', async () => {
  const kinds = async (template: string, record: object) => {
    const { findings } = sequencesOf(sampleOf(record), await optionsFor(template));
    return findings.map(({ kind, what }) => `${kind}: ${what.slice(0, 72)}`);
  };
  assert.deepEqual(await kinds('not thinking', golden.conversations['thinks']), [
    'asked otherwise: the chat template (of the configuration) begins answers with "\\n</think>',
  ]);
  for (const title of ['does not think', 'thinks'])
    for (const template of ['thinks', 'opens'])
      assert.deepEqual(await kinds(template, golden.conversations[title]), [], title);
});

test('fields that the template does not write are named in one warning, with a count', async () => {
  const { template } = await optionsFor('thinks');
  const record = (words: string) =>
    sampleOf({
      messages: [
        { ...asked, timestamp: 5 },
        { role: 'assistant', content: words, reasoning: 'near', mood: 'kind', name: 'bot' },
      ],
    });
  const samples = ['a', 'b', 'c', 'd'].map((words, i) => ({ ...record(words), where: `f:${i}` }));
  const told = unreadMessageFields(samples, template);
  assert.equal(told.length, 2);
  assert.match(told[0].where, /^f:0 \(message 1: "timestamp"\), .* 5 more \(8 in all\)$/);
  assert.match(told[0].what, /"timestamp" of the user \(4\), "mood" of the assistant \(4\); they/);
  assert.match(told[1].what, /^"reasoning" is trained as "reasoning_content"/);
  assert.deepEqual(
    unreadMessageFields(samples, chatTemplate(await goldenTokenizer('llama3'), 'chatml')).length,
    1,
  );
});

test('a field that stands in the words, or is empty, is not missed', async () => {
  const template = chatTemplate(await goldenTokenizer('llama3'), 'chatml');
  const alpaca = sampleOf({ instruction: 'Sort', input: '2 1', output: '1 2' });
  const empty = sampleOf({
    messages: [
      { ...asked, name: null },
      { role: 'assistant', content: 'A', refusal: null, annotations: [], audio: {} },
    ],
  });
  assert.deepEqual(unreadMessageFields([alpaca, empty], template), []);
});

/** Of which fields of a sample it is told that Jinja does not write them. */
async function unwritten(jinja: string, record: object): Promise<readonly string[]> {
  const template = chatTemplate(await goldenTokenizer('llama3'), jinja);
  return unreadMessageFields([sampleOf(record)], template).flatMap(
    ({ what }) => what.match(/"\w+" of the \w+/g) ?? [],
  );
}

test('a field that the template writes in the last message alone is not told: an earlier answer is asked as the last, too', async () => {
  const thinks = (content: string) => ({
    role: 'assistant',
    content,
    reasoning_content: content + 1,
  });
  const two = { messages: [asked, thinks('A'), asked, { role: 'assistant', content: 'B' }] };
  const last =
    '{% for m in messages %}{{ m.content }}{% if loop.last %}{{ m.reasoning_content }}{% endif %}{% endfor %}';
  assert.deepEqual(await unwritten(last, two), []);
  const earlier = last.replace('loop.last', 'not loop.last');
  assert.deepEqual(await unwritten(earlier, two), []);
  const never = last.replace('loop.last', 'false');
  assert.deepEqual(await unwritten(never, two), ['"reasoning_content" of the assistant']);
});

test('a field is written or not for each role by itself', async () => {
  const named = {
    messages: [
      { ...asked, name: 'Ann' },
      { role: 'assistant', content: 'A', name: 'Bo' },
    ],
  };
  const jinja = (role: string) =>
    `{% for m in messages %}{{ m.content }}{% if m.role == '${role}' %}{{ m.name }}{% endif %}{% endfor %}`;
  assert.deepEqual(await unwritten(jinja('user'), named), ['"name" of the assistant']);
  assert.deepEqual(await unwritten(jinja('assistant'), named), ['"name" of the user']);
});

test('where no field holds thoughts for the template, none is advised', async () => {
  const tokenizer = await goldenTokenizer('llama3');
  const jinja =
    '{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<|assistant|>So: {% endif %}';
  const template = chatTemplate(tokenizer, jinja);
  const record = { messages: [asked, { role: 'assistant', content: 'Here.' }] };
  const { findings } = sequencesOf(sampleOf(record), { tokenizer, template, maxSeqLength: 4096 });
  assert.deepEqual(
    findings.map(({ fix }) => fix),
    ['Choose another chat_template, or begin the answers with it.'],
  );
});
