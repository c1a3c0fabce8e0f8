// The whole evaluation on a tiny language model: an adapter trained for the expected answers, the
// same without effect, and turned against them.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sequencesOf } from '../dataset/text/sequences.ts';
import { CheckpointError, DataError, SystemError, UserError } from '../errors.ts';
import { writeTinyModel } from '../export/language-model.test-util.ts';
import type { LoraWeights } from '../adapter-files/lora.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { narrowCard } from '../runtime/testing/narrow-card.ts';
import { int32 } from '../tensor/tensor.ts';
import { chatTemplate } from '../tokenizer/chat.ts';
import { readTextTokenizer } from '../tokenizer/text.ts';
import { trainTextWithBatches, type GivenTextBatch } from '../train/text/given-batches.ts';
import { evaluate, type EvalEvent, type EvaluateOptions } from './evaluate.ts';
import { evaluationFiles } from './page.ts';
import type { EvalResult } from './result.ts';

const template =
  '{% for m in messages %}{{ m.role }}:{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}';
let folder = '';
const at = (...names: string[]): string => join(folder, ...names);

/** Words that the base has no preference for. */
const answer = 'hello 12';
const line = (question: string, fields: object): string =>
  `${JSON.stringify({ question, ...fields })}\n`;
const names = ['a lamp', 'a bulb', 'a shade', 'a cable', 'a switch', 'a stand', 'a plug', 'a box'];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evaluate-'));
  writeTinyModel(at('base'), 'llama');
  writeFileSync(
    at('base', 'tokenizer_config.json'),
    JSON.stringify({ bos_token: '<s>', eos_token: '</s>', chat_template: template }),
  );
  writeFileSync(
    at('eval.jsonl'),
    names
      .map((name) => line(`And ${name}?`, { answer, facts: ['hello'], forbidden: ['12 or'] }))
      .join(''),
  );
  const modules = await trained();
  const write = (name: string, factor: number): void =>
    writePeftFolder(at(name), {
      modules: modules.map((module) => ({ ...module, alpha: module.alpha * factor })),
      rslora: false,
      dtype: 'float32',
      baseModel: at('base'),
    });
  write('better', 1);
  write('same', 0);
  write('worse', -0.1); // the opposite, gently: the whole of it leaves nothing but noise
});

after(() => rmSync(folder, { recursive: true, force: true }));

async function trained(): Promise<LoraWeights[]> {
  const tokenizer = readTextTokenizer(at('base'));
  const options = { tokenizer, template: chatTemplate(tokenizer), maxSeqLength: 64 };
  const batch = batchOf(
    names.map(
      (name) =>
        sequencesOf(
          {
            where: name,
            source: 0,
            content: { kind: 'completion', prompt: `What of ${name}?`, completion: answer },
          },
          options,
        ).sequences[0],
    ),
  );
  const training = trainTextWithBatches(
    {
      base_model: at('base'),
      max_train_steps: 25,
      learning_rate: 0.02,
      lora_rank: 4,
      lora_alpha: 8,
      target_modules: 'all-linear',
    },
    { batchesAt: () => batch },
  );
  for await (const _ of training.steps());
  return training.lora();
}

function batchOf(
  sequences: readonly { readonly ids: Int32Array; readonly trained: Uint8Array }[],
): GivenTextBatch {
  const length = Math.max(...sequences.map(({ ids }) => ids.length));
  const rows = (
    fill: number,
    value: (row: (typeof sequences)[number], i: number) => number,
  ): Int32Array =>
    Int32Array.from(
      sequences.flatMap((row) =>
        Array.from({ length }, (_, i) => (i < row.ids.length ? value(row, i) : fill)),
      ),
    );
  const shape = [sequences.length, length];
  return {
    input_ids: int32(
      shape,
      rows(0, ({ ids }, i) => ids[i]),
    ),
    labels: int32(
      shape,
      rows(-100, ({ ids, trained }, i) => (trained[i] === 1 ? ids[i] : -100)),
    ),
  };
}

async function run(options: EvaluateOptions): Promise<{ events: EvalEvent[]; result: EvalResult }> {
  const events: EvalEvent[] = [];
  const running = evaluate(options);
  for (let next = await running.next(); ; next = await running.next()) {
    if (next.done === true) return { events, result: next.value ?? assert.fail('nothing judged') };
    events.push(next.value);
  }
}

const results = new Map<string, EvalResult>();
const resultOf = (adapter: string): EvalResult => results.get(adapter) ?? assert.fail(adapter);

test('better, same, worse, by the files alone', async (t) => {
  for (const adapter of ['better', 'same', 'worse']) {
    const { result, events } = await run({
      model: {
        adapter: at(adapter, ...(adapter === 'same' ? ['adapter_model.safetensors'] : [])),
        threads: 1,
        maxNewTokens: 12,
      },
      questions: at('eval.jsonl'),
    });
    results.set(adapter, result);
    t.diagnostic(`${result.verdict.headline}: ${result.verdict.reasons.join(' ')}`);
    assert.equal(events.filter(({ type }) => type === 'judged').length, names.length);
    assert.deepEqual(
      events.filter(({ type }) => type === 'warning'),
      [],
    );
  }
  assert.deepEqual(
    ['better', 'same', 'worse'].map((name) => resultOf(name).verdict.kind),
    ['better', 'same', 'worse'],
  );
  const [better, same, worse] = ['better', 'same', 'worse'].map(
    (name) => resultOf(name).questions.adapter.perplexity ?? Number.NaN,
  );
  assert.ok(better < same && same < worse, `${better} ${same} ${worse}`);
});

test('what was learned is said, word for word; without the adapter it is not', () => {
  const { questions } = resultOf('better');
  assert.deepEqual(questions.adapter.exact, { done: names.length, of: names.length });
  assert.equal(questions.base.exact?.done, 0);
  assert.equal(questions.questions[0].adapter.answer, answer);
  assert.equal(questions.questions[0].adapter.likelihood?.tokens, 4); // hello, space, 12, </s>
  assert.deepEqual(resultOf('same').questions.base, resultOf('same').questions.adapter);
});

test('an adapter that says its answer to everything forgot what the base says', async (t) => {
  const model = { adapter: at('same'), threads: 1, maxNewTokens: 8 };
  writeFileSync(
    at('songs.jsonl'),
    names.map((name) => line(`Sing of ${name}`, { forbidden: ['nothing'] })).join(''),
  );
  const known = (await run({ model, questions: at('songs.jsonl') })).result.questions.questions.map(
    ({ base }, i) => line(`Sing of ${names[i]}`, { answer: base.answer }),
  );
  writeFileSync(at('general.jsonl'), known.join(''));
  const { result } = await run({
    model: { baseModel: at('base'), adapter: at('better'), threads: 1, maxNewTokens: 8 },
    questions: at('eval.jsonl'),
    general: at('general.jsonl'),
  });
  t.diagnostic(`${result.verdict.headline}: ${result.verdict.reasons.join(' ')}`);
  assert.equal(result.verdict.kind, 'forgot');
});

test('held-out data in place of questions', async () => {
  const { result } = await run({
    model: { adapter: at('better'), threads: 1, maxNewTokens: 8 },
    questions: { sources: [{ path: at('eval.jsonl') }], share: 0.5, seed: 1 },
  });
  assert.equal(result.questions.questions.length, 4);
  assert.equal(result.names.questions, 'held-out samples');
  assert.ok(resultOf('better').names.questions.endsWith('eval.jsonl'));
  assert.equal(result.verdict.kind, 'better');
});

test('the page holds everything and asks the network for nothing; the JSON is the result', () => {
  const files = evaluationFiles(resultOf('better'));
  const html = new TextDecoder().decode(files.get('eval.html'));
  assert.doesNotMatch(html, /<script|src=|https?:|@import|url\(/);
  for (const name of names) assert.ok(html.includes(`And ${name}?`));
  const stored: unknown = JSON.parse(new TextDecoder().decode(files.get('eval.json')));
  assert.deepEqual(stored, JSON.parse(JSON.stringify(resultOf('better'))));
});

// ---- what computes

const asked = (memory: number, device?: 'auto' | 'webgpu') =>
  run({
    model: { adapter: at('better'), threads: 1, maxNewTokens: 4, device },
    questions: at('eval.jsonl'),
    open: narrowCard(memory),
  });

test('a model that has room on the graphics card is asked there, and the result says so', async () => {
  for (const device of [undefined, 'auto', 'webgpu'] as const) {
    const { result, events } = await asked(2 ** 34, device);
    assert.equal(result.device, 'card, Test 9000');
    assert.ok(events.some((event) => event.type === 'phase' && / on card, Test/.test(event.name)));
    assert.ok(!events.some(({ type }) => type === 'warning'));
  }
});

test('a model that had no room on the graphics card was asked there all the same', async () => {
  for (const device of [undefined, 'auto'] as const) {
    const { result, events } = await asked(2 ** 10, device);
    assert.equal(result.device, 'cpu, 1 thread');
    const told = events.flatMap((event) => (event.type === 'warning' ? [event.problem] : []));
    assert.equal(told.length, 1);
    assert.match(told[0].what, /too much for .* card, Test 9000: the processor answers$/);
  }
  await assert.rejects(asked(2 ** 10, 'webgpu'), (error) => {
    assert.ok(error instanceof SystemError);
    assert.match(error.message, /^device: .* too much for .*Take device: cpu/s);
    return true;
  });
});

// ---- what cannot be

async function refused(
  options: Partial<EvaluateOptions['model']> & { questions?: string },
  kind: new (...args: never[]) => UserError,
): Promise<string> {
  const { questions = at('eval.jsonl'), ...model } = options;
  try {
    await run({ model: { adapter: at('better'), threads: 1, ...model }, questions });
  } catch (error) {
    if (error instanceof kind) return error.message.replaceAll(`${folder}/`, '');
    throw error;
  }
  return assert.fail('accepted');
}

test('adapters that are none, or belong to another base', async () => {
  assert.match(
    await refused({ adapter: at('base') }, UserError),
    /base: this is a complete model, not an adapter/,
  );
  const [down, up] = [
    [4, 32],
    [64, 4],
  ].map((shape) => ({
    dtype: 'float32' as const,
    shape,
    data: new Float32Array(shape[0] * shape[1]),
  }));
  writePeftFolder(at('alien'), {
    modules: [
      { path: 'model.layers.0.self_attn.q_proj', down, up, alpha: 1 },
      { path: 'model.layers.9.self_attn.q_proj', down, up, alpha: 1 },
    ],
    rslora: false,
    dtype: 'float32',
    baseModel: 'someone/model',
  });
  assert.match(
    await refused({ adapter: at('alien') }, UserError),
    /adapter_config.json: its base model, someone\/model, is not a folder on this machine\n.*--base <folder>/,
  );
  assert.match(
    await refused({ adapter: at('alien'), baseModel: at('base') }, CheckpointError),
    /layers.0.*: its weight is \[64, 64\], but the adapter is for \[64, 32\]\n.*\n.*layers.9.*: the base model has no such layer/,
  );
});

test('questions that do not fit into the window, or cannot be written, before any is asked', async () => {
  writeFileSync(
    at('long.jsonl'),
    line('x'.repeat(200), { answer }) +
      line('Short?', { answer: 'y'.repeat(200) }) +
      line('Short too?', { answer }),
  );
  assert.match(
    await refused({ questions: at('long.jsonl') }, DataError),
    /long.jsonl:1: the question alone has \d+ tokens; question and answer together may have at most 128/,
  );
  writeFileSync(
    at('chat.jsonl'),
    JSON.stringify({
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Yes' },
      ],
    }),
  );
  assert.match(
    await refused(
      { questions: at('chat.jsonl'), chatTemplate: "{{ raise_exception('no') }}" },
      DataError,
    ),
    /chat.jsonl:1: the chat template .* refuses the question: no/,
  );
  const tokenizer = JSON.parse(readFileSync(at('base', 'tokenizer_config.json'), 'utf8'));
  assert.equal(tokenizer.chat_template, template);
});
