// Answers judged: case, width, spaces, numbers, Chinese.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find, fold, tokensOf } from './fold.ts';
import { highlights, scoreAnswer } from './score.ts';
import type { Question } from './questions.ts';

const question = (fields: Partial<Question>): Question => ({
  where: 'q.yaml:1',
  prompt: { kind: 'completion', text: '?' },
  facts: [],
  forbidden: [],
  ...fields,
});
const has = (text: string, phrase: string): boolean => find(fold(text), phrase).length > 0;

test('case, width, spaces, quotation marks and dashes do not count', () => {
  assert.ok(has('Write to ＨＥＬＰ@Example.com today', 'help@example.com'));
  assert.ok(has('It’s  open\n9 – 5', "it's open 9 - 5"));
  assert.ok(has('cafe\u0301 Lumen', 'CAFÉ LUMEN'));
  assert.ok(has('It costs 1,000 dollars', '1000'));
  assert.ok(has('soft\u00adware', 'software'));
});

test('a number is the whole number, a word begins where it begins', () => {
  assert.ok(!has('130 days', '30'));
  assert.ok(!has('3.5 hours', '3'));
  assert.ok(!has('3.5 hours', '5'));
  assert.ok(has('within 30.', '30'));
  assert.ok(!has('a party', 'art'));
  assert.ok(has('refunds are free', 'refund'));
  assert.ok(has('20cm wide', 'cm'));
  assert.ok(has('24h', '24'));
});

test('Chinese: full-width characters, spaces anywhere, no word boundaries', () => {
  assert.ok(has('保修期为２４ 个月。', '24个月'));
  assert.ok(has('您好，欢迎光临明灯', '您好, 欢迎'));
  assert.ok(has('iPhone 手机壳', 'iphone手机'));
  assert.deepEqual(tokensOf('iPhone手机15，好！'), ['iphone', '手', '机', '15', '好']);
});

test('Chinese numbers are whole numbers', () => {
  for (const [text, phrase] of [
    ['十三天内', '三天'],
    ['二十五天', '二十'],
    ['三十天', '十天'],
    ['三十天', '三'],
    ['一百万', '一百'],
  ])
    assert.ok(!has(text, phrase), `${phrase} in ${text}`);
  for (const [text, phrase] of [
    ['三天内', '三天'],
    ['在二十天内', '二十'],
    ['共三十天', '三十天'],
    ['三万元', '万元'],
    ['周一一定', '周一'],
    ['二〇二五年', '五年'],
  ])
    assert.ok(has(text, phrase), `${phrase} in ${text}`);
});

test('scores: exact, overlap, facts in one of several wordings, forbidden phrases', () => {
  const asked = question({
    expected: 'You have 30 days.',
    facts: [['30 days', 'a month'], ['free']],
    forbidden: ['sorry'],
  });
  assert.deepEqual(scoreAnswer('you have  30 DAYS', asked), {
    exact: true,
    overlap: 1,
    facts: [true, false],
    forbidden: [],
    guarded: true,
    score: 0.75,
  });
  assert.deepEqual(scoreAnswer('<think>sorry?</think>A month, free.', asked), {
    exact: false,
    overlap: 0,
    facts: [true, true],
    forbidden: [],
    guarded: true,
    score: 0.5,
  });
  assert.equal(scoreAnswer('Sorry, you have 30 days, free.', asked).score, 0);
  assert.deepEqual(scoreAnswer('Nothing', question({})), {
    facts: [],
    forbidden: [],
    guarded: false,
  });
  assert.equal(scoreAnswer('', asked).score, 0);
});

test('overlap by characters in Chinese', () => {
  // 7 characters each, 5 shared: 2 · 5 / 14
  assert.equal(
    scoreAnswer('三十天内可退货', question({ expected: '三十天内能换货' })).overlap,
    10 / 14,
  );
  assert.equal(scoreAnswer('😀', question({ expected: '😀' })).exact, true);
});

test('highlights are places in the answer itself', () => {
  const { text, places } = highlights(
    'Ｗithin ３０ days — SORRY, 30 days.',
    question({ facts: [['30 days']], forbidden: ['sorry'] }),
  );
  assert.deepEqual(
    places.map(({ start, end, kind }) => [text.slice(start, end), kind]),
    [
      ['３０ days', 'fact'],
      ['SORRY', 'forbidden'],
      ['30 days', 'fact'],
    ],
  );
});
