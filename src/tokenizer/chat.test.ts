// Conversations read as transformers' apply_chat_template writes them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CheckpointError, ConfigError } from '../errors.ts';
import { chatTemplates } from './chat-templates.ts';
import { type ChatMessage, chatTemplate } from './chat.ts';

type Rendering = string | { readonly error: string };

interface Golden {
  readonly conversations: Readonly<Record<string, readonly ChatMessage[]>>;
  readonly templates: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly cases: Readonly<Record<string, readonly [Rendering, Rendering]>>;
      }
    >
  >;
}

// From reference/text_tokenizers.py.
const golden: Golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/chat_templates.json', import.meta.url), 'utf8'),
);
const tokenizer = {
  specialTokens: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
  addsBos: true,
  chatTemplate: undefined,
};

test('the golden renderings are of the templates as they are', () => {
  const { wild: _, thinking: __, ...named } = golden.templates;
  assert.deepEqual(
    Object.fromEntries(Object.entries(named).map(([name, { source }]) => [name, source])),
    chatTemplates,
  );
});

for (const [name, { source, cases }] of Object.entries(golden.templates)) {
  test(`${name}: equal to transformers`, () => {
    const template = chatTemplate({ ...tokenizer, chatTemplate: source });
    for (const [title, renderings] of Object.entries(cases)) {
      renderings.forEach((expected, i) => {
        const render = (): string | undefined =>
          template?.render(golden.conversations[title], i === 1);
        if (typeof expected === 'string') assert.equal(render(), expected, title);
        else assert.throws(render, new RegExp(expected.error.slice(0, 20)), title);
      });
    }
  });
}

test('a template refuses in its own words', () => {
  const template = chatTemplate({ ...tokenizer, chatTemplate: golden.templates['wild'].source });
  assert.throws(
    () => template?.render([{ role: 'assistant', content: 'first' }], false),
    /Roles must alternate/,
  );
});

test('templates are chosen by name, by another name, as Jinja, or are the tokenizer’s', () => {
  const question: readonly ChatMessage[] = [{ role: 'user', content: 'Q' }];
  assert.equal(chatTemplate(tokenizer, 'ChatML')?.name, 'chatml');
  assert.equal(chatTemplate(tokenizer, 'qwen2.5')?.name, 'chatml');
  assert.equal(chatTemplate(tokenizer, 'llama3')?.name, 'llama-3');
  assert.equal(
    chatTemplate({ ...tokenizer, chatTemplate: 'own' }, 'tokenizer_default')?.name,
    "the tokenizer's",
  );
  assert.equal(
    chatTemplate(tokenizer, '{{ messages[0].content }}!')?.render(question, false),
    'Q!',
  );
  assert.equal(chatTemplate(tokenizer), undefined);
  assert.equal(chatTemplate({ ...tokenizer, chatTemplate: 'own' })?.render(question, false), 'own');
  assert.throws(
    () => chatTemplate(tokenizer, 'mistrall'),
    (error) => error instanceof ConfigError && /Did you mean "mistral"/.test(error.message),
  );
  assert.throws(() => chatTemplate(tokenizer, '{% for %}'), CheckpointError);
});

test('strip removes the characters that it is given, as Python does', () => {
  const rendered = (source: string): string | undefined =>
    chatTemplate({ ...tokenizer, chatTemplate: source })?.render(
      [{ role: 'user', content: '\n\n  您好 \n' }],
      false,
    );
  assert.equal(
    rendered(
      "{{ messages[0].content.strip('\\n') }}|{{ messages[0].content.lstrip('\\n') }}|{{ messages[0].content.strip() }}",
    ),
    '  您好 |  您好 \n|您好',
  );
  assert.equal(
    rendered(
      "{% set ns = namespace(a='xyx') %}{{ ns.a.strip('x') }}{{ 'aba'.rstrip('ab') }}|{{ ('a' + 'b').lstrip('a').rstrip() }}",
    ),
    'y|b',
  );
});

test('a template that writes a date writes the one it is given, in English', () => {
  const source =
    "{% if strftime_now is defined %}{{ strftime_now('%A, %-d %B %Y %H:%M') }}{% endif %}: {{ messages[0].content }}";
  const dated = chatTemplate({ ...tokenizer, chatTemplate: source }, undefined, {
    date: '2026-05-03T04:05:06',
  });
  assert.equal(
    dated?.render([{ role: 'user', content: 'Q' }], false),
    'Sunday, 3 May 2026 04:05: Q',
  );
  assert.equal(dated?.date, '2026-05-03T04:05:06');
  assert.equal(chatTemplate(tokenizer, 'chatml', { date: '2026-05-03' })?.date, undefined);
});

test('a template by name knows no special token that the tokenizer lacks', () => {
  assert.equal(
    chatTemplate({ ...tokenizer, specialTokens: { eos_token: '</s>' } }, 'llama-2')?.render(
      [{ role: 'user', content: 'Q' }],
      true,
    ),
    '[INST] Q [/INST]',
  );
});

test('a date that is none is the fault of who gives it, with the form of one', () => {
  for (const date of ['tomorrow', '31.1.2026', '2026-02-30', '2026-01-31T25:00:00', '']) {
    const give = () => chatTemplate(tokenizer, 'chatml', { date });
    assert.throws(
      give,
      (error) => error instanceof ConfigError && /is not a date/.test(error.message),
      date,
    );
  }
});
