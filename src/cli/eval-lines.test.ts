// The evaluation in a terminal: no line is wider than it, in any script, and nothing in it acts on
// it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoreAnswer } from '../eval/score.ts';
import type { Question } from '../eval/questions.ts';
import type { EvalResult } from '../eval/result.ts';
import { setResult } from '../eval/totals.ts';
import { verdictOf } from '../eval/verdict.ts';
import { evalLines, wrapped } from './eval-lines.ts';
import { displayWidth } from './format.ts';

const question: Question = {
  where: 'data/customer_service/eval.jsonl:3',
  prompt: { kind: 'completion', text: '台灯的保修期是多久？ And how long does the parcel take?' },
  expected: '您好！明灯台灯的保修期为24个月，请保留好发票。',
  facts: [['24个月'], ['发票']],
  forbidden: ['12个月'],
};
const said = (answer: string) => ({
  answer,
  ...scoreAnswer(answer, question),
  likelihood: { logProbability: -3, tokens: 3 },
});

function resultOf(count: number): EvalResult {
  const set = setResult(
    Array.from({ length: count }, () => ({
      question,
      base: said(`保修期是12个月。\x1b[2J ${'long'.repeat(30)}`),
      adapter: said('您好！保修期为 24 个月，请保留发票。'),
    })),
  );
  return {
    verdict: verdictOf(set, set),
    names: { base: 'b', adapter: 'a', questions: 'q' },
    questions: set,
    general: set,
  };
}

// What the tests compare has no colours.
for (const columns of [40, 61, 80, 200]) {
  test(`${columns} columns`, () => {
    const lines = evalLines(resultOf(3), { columns, show: 2 });
    for (const line of lines) {
      assert.ok(displayWidth(line) <= columns, `${displayWidth(line)}: ${line}`);
      assert.ok(!line.includes('\x1b'));
    }
    assert.equal(lines.filter((line) => line.startsWith('台灯的保修期')).length, 2);
    assert.equal(
      lines.some((line) => line.includes(' │ ')),
      columns > 60,
    );
  });
}

test('show more than there are, or none', () => {
  assert.equal(
    evalLines(resultOf(2), { show: Infinity }).filter((line) => line.includes('台灯的保修期是'))
      .length,
    2,
  );
  assert.ok(!evalLines(resultOf(2), { show: 0 }).join('\n').includes('台灯的保修期是'));
});

test('lines break at spaces, and anywhere in Chinese', () => {
  assert.deepEqual(wrapped('one two three', 8), ['one two', 'three']);
  assert.deepEqual(wrapped('保修期为24个月', 8), ['保修期为', '24个月']);
  assert.deepEqual(wrapped('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  assert.deepEqual(wrapped('a\n\nb', 4), ['a', '', 'b']);
});
