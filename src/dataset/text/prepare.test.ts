// Which tokens are trained, what is cut, and the faults that would go unnoticed in training.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { DataError, formatProblem } from '../../errors.ts';
import { chatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { prepareTextData, type TextData, type TextDataOptions } from './prepare.ts';
import { showSample } from './show.ts';
import { goldenTokenizer, withFolder } from './text.test-util.ts';

let gpt2: TextTokenizer;
let llama3: TextTokenizer;
let llama2: TextTokenizer;
before(async () => {
  [gpt2, llama3, llama2] = await Promise.all(['gpt2', 'llama3', 'llama2'].map(goldenTokenizer));
});

type Options = Partial<Omit<TextDataOptions, 'template'>> & { readonly template?: string };

function prepare(
  records: readonly unknown[],
  { template, ...options }: Options = {},
): Promise<TextData> {
  const tokenizer = options.tokenizer ?? gpt2;
  return withFolder(
    { 'a.jsonl': records.map((record) => JSON.stringify(record)).join('\n') },
    (folder) =>
      prepareTextData({
        sources: [{ path: join(folder, 'a.jsonl') }],
        maxSeqLength: 512,
        seed: 1,
        ...options,
        tokenizer,
        template: chatTemplate(tokenizer, template),
      }),
  );
}

const chat = (...texts: readonly string[]): unknown => ({
  messages: texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
});
const shown = ({ train }: TextData, tokenizer = gpt2): string[] =>
  train.map((sequence) => showSample(sequence, tokenizer).split('\n').slice(1).join('\n'));

async function problems(records: readonly unknown[], options: Options): Promise<string[]> {
  const error: unknown = await prepare(records, options).then(
    () => assert.fail('no fault found'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DataError, String(error));
  return error.problems.map(({ where, what }) => `${where.replace(/.*:/, '')}: ${what}`);
}

test('answers are trained with their end token, questions are not', async () => {
  const data = await prepare([chat('Hello', '您好 😀', 'And now?', 'Bye')], { template: 'chatml' });
  assert.deepEqual(shown(data), [
    '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n⟦您好 😀<|im_end|>\n⟧<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n⟦Bye<|im_end|>\n⟧',
  ]);
  const all = await prepare([chat('Hello', 'Bye')], { template: 'chatml', trainOn: 'all' });
  assert.deepEqual(shown(all), [
    '<|im_start|>⟦user\nHello<|im_end|>\n<|im_start|>assistant\nBye<|im_end|>\n⟧',
  ]);
});

test('a message may be left out of the loss', async () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b', train: false },
    { role: 'user', content: 'c' },
    { role: 'assistant', content: 'd' },
  ];
  const data = await prepare([{ messages }], { template: 'phi-3' });
  assert.match(
    shown(data)[0],
    /assistant\|>\nb<\|end\|>\n<\|user\|>\nc<\|end\|>\n<\|assistant\|>\n⟦d<\|end\|>\n⟧$/,
  );
});

test('without a template, prompts are continued and texts are trained whole; each begins and ends once', async () => {
  const data = await prepare([{ prompt: 'Question:', completion: ' yes' }, { text: 'free text' }], {
    tokenizer: llama3,
  });
  assert.deepEqual(shown(data, llama3), ['<s>Question:⟦ yes</s>⟧', '<s>⟦free text</s>⟧']);
  const metaspace = await prepare([{ prompt: 'Question: ', completion: 'yes' }], {
    tokenizer: llama2,
  });
  assert.deepEqual(
    shown(metaspace, llama2).map((text) => text.replace(/[⟦⟧]/g, '')),
    ['<s> Question: yes</s>'],
  );
});

test('with a template, prompts become conversations; Alpaca has its own', async () => {
  const own = await prepare([{ prompt: 'Q', completion: 'A' }], {
    tokenizer: llama3,
    template: 'alpaca',
  });
  assert.match(
    shown(own, llama3)[0],
    /^<s>Below is an instruction[^]*### Instruction:\nQ\n\n### Response:\n⟦A<\/s>⟧$/,
  );
  const withInput = await prepare([{ instruction: 'Sort', input: '2 1', output: '1 2' }], {
    template: 'alpaca',
  });
  assert.match(
    shown(withInput)[0],
    /### Instruction:\nSort\n\n### Input:\n2 1\n\n### Response:\n⟦1 2<\/s>⟧$/,
  );
});

test('a template that writes earlier answers differently gives a sequence for each answer', async () => {
  const forgetful =
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content if loop.last or m.role == 'user' else m.content.split('</think>')[-1] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
  const data = await prepare([chat('a', '<think>x</think>b', 'c', '<think>y</think>d')], {
    template: forgetful,
  });
  assert.deepEqual(shown(data), [
    '<|user|>a<|end|><|assistant|>⟦<think>x</think>b<|end|>⟧',
    '<|user|>a<|end|><|assistant|>b<|end|><|user|>c<|end|><|assistant|>⟦<think>y</think>d<|end|>⟧',
  ]);
});

test('too long: whole answers are kept, else the end is cut and said; drop and raise', async () => {
  const long = 'many words here '.repeat(20);
  const turns = await prepare([chat('a', 'b', 'c', long)], { template: 'phi-3', maxSeqLength: 40 });
  assert.match(shown(turns)[0], /^<\|user\|>\na<\|end\|>\n<\|assistant\|>\n⟦b<\|end\|>\n⟧$/);
  assert.match(
    formatProblem(turns.warnings[0]),
    /a\.jsonl:1 \(\d+ tokens\): is longer than max_seq_length 40: only the first of its 2 answers fits/,
  );
  const cut = await prepare([chat('a', long), chat('a', 'b')], {
    template: 'phi-3',
    maxSeqLength: 40,
  });
  assert.equal(cut.train[0].ids.length, 40);
  assert.match(formatProblem(cut.warnings[0]), /its answer is cut off/);
  const dropped = await prepare([chat('a', long), chat('a', 'b')], {
    template: 'phi-3',
    maxSeqLength: 40,
    excessLength: 'drop',
  });
  assert.equal(dropped.train.length, 1);
  assert.match(formatProblem(dropped.warnings[0]), /a\.jsonl:1 .* left out/);
  assert.match(
    (
      await problems([chat('a', long)], {
        template: 'phi-3',
        maxSeqLength: 40,
        excessLength: 'raise',
      })
    )[0],
    /^1 \(\d+ tokens\): is longer than/,
  );
  const text = await prepare([{ text: long }], { maxSeqLength: 40 });
  assert.equal(text.train.map((part) => gpt2.decode(part.ids)).join(''), long);
});

test('faults that training would not show', async () => {
  const long = 'many words here '.repeat(20);
  assert.match(
    (await problems([chat('a', 'b'), chat(long, 'b')], { template: 'phi-3', maxSeqLength: 40 }))[0],
    /^2 \(\d+ tokens\): its answer begins after the first 40 tokens/,
  );
  assert.match(
    (
      await problems([chat('a', 'b')], {
        template: '{% for m in messages %}{{ m.content }}{% endfor %}',
      })
    )[0],
    /^1: no token after the answer ends it/,
  );
  assert.match(
    (
      await problems([chat('a', 'b')], {
        template: "{% for m in messages if m.role == 'user' %}{{ m.content }}</s>{% endfor %}",
      })
    )[0],
    /^1: .* does not write the assistant's answer \(message 2\)/,
  );
  assert.match(
    (await problems([{ text: 'fine' }, { text: '<s>begun' }], { tokenizer: llama3 }))[0],
    /^2: begins with <s> twice/,
  );
  assert.match(
    (await problems([chat('a', 'b')], {}))[0],
    /^1: is a conversation, but the tokenizer has no chat template/,
  );
  assert.match(
    (await problems([chat('a', 'b')], { template: "{{ raise_exception('No!') }}" }))[0],
    /^1: .* refuses it: No!/,
  );
  const deaf = "{% for m in messages if m.role == 'user' %}{{ m.content }}</s>{% endfor %}";
  assert.match(
    (await problems([chat('a word', 'a')], { template: deaf }))[0],
    /^1: .* does not write the assistant's answer/,
  ); // though the question has the answer's words
  assert.match(
    (
      await problems([chat('a', long), chat('b', long)], { template: 'phi-3', maxSeqLength: 40 })
    )[0],
    /^2 \(\d+ tokens\): is longer than max_seq_length 40: its answer is cut off/,
  ); // no answer would end
  const many = await problems(
    Array.from({ length: 20 }, (_, i) => chat(`${i} ${long}`, 'b')),
    { template: 'phi-3', maxSeqLength: 40 },
  );
  assert.equal(many.length, 1);
  assert.match(many[0], /^3 \(\d+ tokens\) and 17 more \(20 in all\): its answer begins after/);
});

test('a template that leaves out the system message, or writes the question otherwise once it is answered', async () => {
  const system = { role: 'system', content: 'S' };
  const [q, a, q2, a2] = ['Q', 'A', 'Q2', 'A2'].map((content, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content,
  }));
  const late =
    "{% for m in messages %}{% if m.role == 'user' %}[INST]{{ messages[0].content + ' ' if loop.last and messages[0].role == 'system' }}{{ m.content }}[/INST]{% elif m.role == 'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}";
  const data = await prepare([{ messages: [system, q, a, q2, a2] }, { messages: [q, a] }], {
    template: late,
  });
  assert.deepEqual(shown(data), [
    '[INST]Q[/INST]⟦ A</s>⟧[INST]Q2[/INST]⟦ A2</s>⟧',
    '[INST]Q[/INST]⟦ A</s>⟧',
  ]);
  assert.deepEqual(
    data.warnings.map(({ where, what }) => [where.replace(/.*:/, ''), what]),
    [
      [
        '1',
        'the chat template (of the configuration) does not write the system message: it is not trained',
      ],
    ],
  );
  assert.deepEqual(
    await problems([{ messages: [q, { ...a, train: false }] }], { template: late }),
    ['1: none of its tokens is trained'],
  );
});

test('special tokens in the words and damaged characters are warnings, named with the message', async () => {
  const data = await prepare(
    [
      chat('what is </s>?', 'an end'),
      chat('a', 'half \ud83d'),
      { prompt: 'lost \ufffd', completion: 'b' },
      { text: '<s>may hold special tokens</s>' },
    ],
    { template: 'plain' },
  );
  assert.deepEqual(
    data.warnings.map(({ where, what }) => `${where.replace(/.*:/, '')}: ${what}`),
    [
      '1 (message 1 (user)): holds </s>, which the model reads as a special token, not as words',
      '2 (message 2 (assistant)): holds half of a character (a lone surrogate), which becomes U+FFFD',
      '3 (the prompt): holds U+FFFD, which takes the place of a character that was lost',
    ],
  );
});

test('a token that ends answers, but no generation, is mentioned', async () => {
  const { warnings } = await prepare([chat('a', 'b')], { template: 'chatml' });
  assert.match(
    warnings.map(formatProblem).join('\n'),
    /a\.jsonl:1: answers end with <\|im_end\|>, but generation stops at <\/s>\n {4}Add 7 to eos_token_id/,
  );
  assert.deepEqual((await prepare([chat('a', 'b')], { template: 'plain' })).warnings, []);
});

test('validation: a share drawn by the seed, whole samples, or files of its own', async () => {
  const records = Array.from({ length: 10 }, (_, i) => chat(`q${i}`, `a${i}`));
  const where = (sequences: TextData['train']): string[] =>
    sequences.map(({ sample }) => sample.where.replace(/.*:/, ''));
  const first = await prepare(records, { template: 'phi-3', validationShare: 0.3, seed: 5 });
  const again = await prepare(records, { template: 'phi-3', validationShare: 0.3, seed: 5 });
  assert.equal(first.validation.length, 3);
  assert.deepEqual(where(first.validation), where(again.validation));
  assert.deepEqual(
    [...where(first.train), ...where(first.validation)].map(Number).sort((a, b) => a - b),
    records.map((_, i) => i + 1),
  );
  assert.match(
    formatProblem(
      (await prepare([chat('a', 'b')], { template: 'plain', validationShare: 0.3 })).warnings[0],
    ),
    /validation_split: leaves nothing to validate on/,
  );
  const twins = await prepare([chat('a', 'b'), chat('c', 'd'), chat('a', ' b'), chat('a', 'b ')], {
    template: 'phi-3',
    validationShare: 0.5,
    seed: 5,
  });
  // never the same on both sides
  assert.ok([1, 3].includes(twins.validation.length), String(twins.validation.length));
  const files = {
    't.jsonl': JSON.stringify(records[0]),
    'v.jsonl': records
      .slice(0, 2)
      .map((record) => JSON.stringify(record))
      .join('\n'),
  };
  const broken = { 't.jsonl': '{}', 'v.jsonl': 'x' };
  await assert.rejects(
    withFolder(broken, (folder) =>
      prepareTextData({
        sources: [{ path: join(folder, 't.jsonl') }],
        validationSources: [{ path: join(folder, 'v.jsonl') }],
        tokenizer: gpt2,
        maxSeqLength: 64,
        seed: 1,
      }),
    ),
    (error) => error instanceof DataError && error.problems.length === 2,
  );
  const own = await withFolder(files, (folder) =>
    prepareTextData({
      sources: [{ path: join(folder, 't.jsonl'), weight: 2 }],
      validationSources: [{ path: join(folder, 'v.jsonl') }],
      tokenizer: gpt2,
      template: chatTemplate(gpt2, 'phi-3'),
      maxSeqLength: 64,
      seed: 1,
    }),
  );
  assert.deepEqual([own.train.length, own.validation.length, own.weights], [1, 2, [2]]);
  await assert.rejects(
    withFolder(files, (folder) =>
      prepareTextData({
        sources: [{ path: join(folder, 't.jsonl'), weight: 0.2 }],
        tokenizer: gpt2,
        template: chatTemplate(gpt2, 'phi-3'),
        maxSeqLength: 64,
        seed: 1,
      }),
    ),
    /weight 0.2 shows none of 1 sequence[^]*at least 0.5/,
  );
  assert.match(
    formatProblem(own.warnings[0]),
    /v\.jsonl:1 \(like .*t\.jsonl:1\): is in the training data too/,
  );
});

test('a script that the tokenizer spells out in bytes is told of once', async () => {
  const chinese = chat('请问快递要多久才能送到', '您好，通常需要三到五个工作日');
  const told = async (...records: readonly unknown[]) =>
    (await prepare(records, { template: 'chatml' })).warnings.filter(({ what }) =>
      what.includes('script'),
    );
  assert.deepEqual(
    await told(chat('How long does delivery take?', 'Three to five days.'), chat('Yes?', 'No.')),
    [],
  );
  const [one, ...more] = await told(
    chat('How long does delivery take?', 'Three to five days.'),
    chinese,
    chat('还有别的问题吗', '没有了谢谢'),
  );
  assert.deepEqual(more, []);
  assert.match(one.where, /a\.jsonl:2$/);
  assert.match(one.what, /no words for \(\d\.\d tokens per character; in all 2 of 3 samples\)/);
});

const warned = ({ warnings }: TextData): string[] =>
  warnings.map(({ where, what }) => `${where.replace(/\S*:/g, '')}: ${what}`);

const trimming =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content | trim + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

test('an answer whose spaces and line breaks a template trims is told with what is lost', async () => {
  const answers = ['    return 1', '\n好', 'end  \n', 'plain', ' both '];
  const data = await prepare(
    answers.map((answer, i) => chat(`Q${i}`, answer)),
    { template: trimming },
  );
  const trimmed = warned(data).filter((warning) => warning.includes('changes the words'));
  assert.equal(trimmed.length, 1);
  assert.match(
    trimmed[0],
    /^1 \("    " at the beginning is lost\), 2 \("\\n" at the beginning is lost\), 3 \("  \\n" at the end is lost\) and 1 more \(4 in all\): the chat template \(of the configuration\)/,
  );
});

test('an answer that is trained as it stands is not told', async () => {
  const answers = ['    return 1', '\n好', 'end  \n', '😀 é\u0301', '<b>', 'a\tb'];
  for (const template of ['chatml', 'phi-3', 'zephyr', 'mistral', 'alpaca', 'plain'])
    for (const tokenizer of [gpt2, llama3]) {
      const data = await prepare(
        answers.map((answer, i) => chat(`Q${i}`, answer)),
        { template, tokenizer },
      );
      assert.deepEqual(
        warned(data).filter((warning) => warning.includes('changes the words')),
        [],
        template,
      );
    }
});

test('a text that the tokenizer changes is told with what it becomes', async () => {
  const lower: TextTokenizer = {
    ...gpt2,
    encode: (text, options) => gpt2.encode(text.toLowerCase(), options),
  };
  const data = await prepare([{ text: 'A Red Car' }, { prompt: 'Q', completion: 'Yes' }], {
    tokenizer: lower,
  });
  assert.match(
    warned(data)[0],
    /^1 \("A Red Car" becomes .*\), 2 \("Yes" becomes .*\): the tokenizer changes the words/,
  );
});

test('a conversation that begins with the greeting of the assistant is trained, and told', async () => {
  const greeting = {
    conversations: [
      { from: 'gpt', value: 'Hello!' },
      { from: 'human', value: 'Hi' },
      { from: 'gpt', value: 'Bye' },
    ],
  };
  const data = await prepare([greeting], { template: 'chatml' });
  assert.deepEqual(shown(data), [
    '<|im_start|>assistant\n⟦Hello!<|im_end|>\n⟧<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟦Bye<|im_end|>\n⟧',
  ]);
  assert.match(
    warned(data)[0],
    /^1 \(begins with the assistant\): user and assistant do not take turns/,
  );
});

test('turns out of order are trained as the template writes them', async () => {
  const turn = (role: string, content = role): unknown => ({ role, content });
  const records = [
    ['user', 'user', 'assistant'],
    ['user', 'assistant', 'assistant'],
    ['user', 'assistant', 'user'],
    ['user', 'system', 'assistant'],
    ['system', 'assistant'],
  ].map((roles) => ({ messages: roles.map((role) => turn(role)) }));
  const data = await prepare(records, { template: 'chatml' });
  const start = '<|im_start|>';
  assert.deepEqual(shown(data), [
    `${start}user\nuser<|im_end|>\n${start}user\nuser<|im_end|>\n${start}assistant\n⟦assistant<|im_end|>\n⟧`,
    `${start}user\nuser<|im_end|>\n${start}assistant\n⟦assistant<|im_end|>\n⟧${start}assistant\n⟦assistant<|im_end|>\n⟧`,
    `${start}user\nuser<|im_end|>\n${start}assistant\n⟦assistant<|im_end|>\n⟧${start}user\nuser<|im_end|>\n`,
    `${start}user\nuser<|im_end|>\n${start}system\nsystem<|im_end|>\n${start}assistant\n⟦assistant<|im_end|>\n⟧`,
    `${start}system\nsystem<|im_end|>\n${start}assistant\n⟦assistant<|im_end|>\n⟧`,
  ]);
  assert.match(warned(data)[0], /and 2 more \(5 in all\): user and assistant do not take turns/);
});

test('a template that refuses an order says so in its own words, with the place', async () => {
  const strict =
    "{% if messages[0].role != 'user' %}{{ raise_exception('Conversations must begin with the user!') }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}{% endfor %}";
  const greeting = { messages: [{ role: 'assistant', content: 'Hello' }] };
  const found = await problems([chat('Q', 'A'), greeting], { template: strict });
  assert.match(
    found[0],
    /^2: the chat template .* refuses it: Conversations must begin with the user!/,
  );
});

test('a system message that a template would write as an answer is refused', async () => {
  const messages = ['user', 'system', 'assistant'].map((role) => ({ role, content: role }));
  const found = await problems([{ messages }], { template: 'mistral' });
  assert.match(found[0], /writes the system message \(message 2\) as an answer/);
});

test('tools beside a conversation are written where the template knows them, else told', async () => {
  const tools = [{ type: 'function', function: { name: 'weather' } }];
  const record = {
    messages: [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: 'A' },
    ],
    tools,
  };
  const knows =
    "{% if tools %}{{ '<|im_start|>tools ' + (tools | tojson) + '<|im_end|>' }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}{% endfor %}";
  const written = await prepare([record, { ...record, tools: JSON.stringify(tools) }], {
    template: knows,
  });
  for (const text of shown(written)) assert.match(text, /tools \[\{.*"name": ?"weather"/);
  const told = await prepare([record], { template: 'chatml' });
  assert.match(warned(told)[0], /^1: the chat template \(chatml\) does not write the tools/);
});
