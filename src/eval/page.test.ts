// The page: nothing that a model or a file says becomes markup, and every card has what its
// question asks for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoreAnswer } from './score.ts';
import { share } from './figures.ts';
import { evaluationPage } from './page.ts';
import type { Question } from './questions.ts';
import type { EvalResult, JudgedQuestion } from './result.ts';
import { setResult } from './totals.ts';
import { verdictOf } from './verdict.ts';

const evil = `<script>alert('&')</script>"\u202e\x1b[2J`;

function judged(question: Question, base: string, adapter: string): JudgedQuestion {
  const likelihood = { logProbability: -3, tokens: 3 };
  return {
    question,
    base: { answer: base, ...scoreAnswer(base, question), likelihood },
    adapter: { answer: adapter, ...scoreAnswer(adapter, question), likelihood },
  };
}

function resultOf(questions: readonly JudgedQuestion[]): EvalResult {
  const set = setResult(questions);
  return {
    verdict: verdictOf(set, undefined),
    names: { base: evil, adapter: evil, questions: evil },
    questions: set,
  };
}

const question: Question = {
  where: `${evil}:1`,
  topic: evil,
  prompt: {
    kind: 'chat',
    messages: [
      { role: 'system', content: evil },
      { role: 'user', content: evil },
    ],
  },
  expected: evil,
  facts: [[evil], ['24 个月']],
  forbidden: ['<b>'],
};

test('what is said cannot become markup, turn the line, or reach a terminal', () => {
  const page = evaluationPage(resultOf([judged(question, evil, '<b>24个月')]));
  assert.doesNotMatch(page, /<script|<b>|[\u202e\x1b]/);
  assert.match(page, /&lt;script&gt;alert\(&#39;&amp;&#39;\)&lt;\/script&gt;&quot;/);
  assert.match(page, /default-src 'none'/);
});

test('facts and forbidden phrases are highlighted, missing ones listed', () => {
  const page = evaluationPage(
    resultOf([
      judged({ ...question, facts: [['24个月'], ['发票']] }, '保修期１２个月', '<b>保修期 24 个月'),
    ]),
  );
  assert.match(
    page,
    /<mark class="forbidden">&lt;b&gt;<\/mark>保修期 <mark class="fact">24 个月<\/mark>/,
  );
  assert.match(page, /missing: “发票”/);
  assert.match(page, /forbidden: “&lt;b&gt;”/);
});

test('an answer that named another thing than the one asked for was called better, for its words', () => {
  const asked: Question = {
    ...question,
    expected: 'Hello and welcome! Yes, the red chair is here and waiting for you. Stay bright.',
    facts: [['red'], ['chair']],
    forbidden: ['sold out'],
  };
  const plain = 'Yes, we have the chair in red.';
  const kinds = (base: string, adapter: string): (string | undefined)[] =>
    [
      ...evaluationPage(resultOf([judged(asked, base, adapter)])).matchAll(
        /<article class="card is-(\w+)"/g,
      ),
    ].map((match) => match[1]);
  const wrong = 'Hello and welcome! Yes, the red vase is here and waiting for you. Stay bright.';
  assert.deepEqual(kinds(plain, wrong), ['worse']);
  assert.deepEqual(kinds(plain, asked.expected ?? ''), ['better']);
  assert.deepEqual(kinds(`${plain} It is sold out.`, wrong), ['better'], 'the other was forbidden');
});

test('39 of 42 answers as expected shared "100 %" of their words', () => {
  const shares = [0, 0.001, 0.5, 0.949, 0.9969, 1].map(share);
  assert.deepEqual(shares, ['0 %', '1 %', '50 %', '95 %', '99 %', '100 %']);
});

test('cards can be chosen by kind, without a script', () => {
  const asked: Question = { ...question, expected: 'yes', facts: [], forbidden: [] };
  const page = evaluationPage(
    resultOf([judged(asked, 'no', 'yes'), judged(asked, 'yes', 'no'), judged(asked, 'yes', 'yes')]),
  );
  assert.deepEqual(
    [...page.matchAll(/<label for="questions-\w+">([^<]+)</g)].map((match) => match[1]),
    ['All 3', 'Better 1', 'Same 1', 'Worse 1'],
  );
  assert.deepEqual(
    [...page.matchAll(/<article class="card is-(\w+)"/g)].map((match) => match[1]),
    ['better', 'worse', 'same'],
  );
  assert.match(page, /#questions-worse:checked ~ \.card:not\(\.is-worse\)/);
});
