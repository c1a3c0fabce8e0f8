// Statistics against known values, and the verdict on answers made up so that it is known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sequence } from '../util/philox.ts';
import type { EvalSet } from './eval-file.ts';
import type { Answerer } from './answerer.ts';
import { evaluate } from './evaluate.ts';
import type { Question } from './questions.ts';
import type { EvalResult } from './result.ts';
import { compareDifferences, studentWithin, trendOf } from './statistics.ts';
import { setResult } from './totals.ts';
import { trendOfSet, verdictOf } from './verdict.ts';

test('sign-flip test of many pairs', () => {
  assert.equal(compareDifferences(Array.from({ length: 20 }, () => 0)).chance, 1);
  // +1 fourteen times, −1 six times: P(at least 14 or at most 6 of 20) = 0.1153
  const many = compareDifferences(Array.from({ length: 20 }, (_, i) => (i < 14 ? 1 : -1)));
  assert.ok(Math.abs(many.chance - 0.1153) < 0.01, String(many.chance));
});

test("Student's interval", () => {
  // scipy.stats.t.interval(0.95, 7, mean, sem) of 1 … 8
  const { interval } = compareDifferences([1, 2, 3, 4, 5, 6, 7, 8]);
  assert.ok(
    interval !== undefined &&
      Math.abs(interval[0] - 2.4522) < 2e-3 &&
      Math.abs(interval[1] - 6.5478) < 2e-3,
    String(interval),
  );
});

test('few pairs decide where they differ little from each other; two never', () => {
  const trend = (differences: readonly number[], margin = 0.03) =>
    trendOf(compareDifferences(differences), margin);
  assert.equal(trend([1, 1, 1]), 'better');
  assert.equal(trend([-3.6, -3.1, -4], 0.05), 'worse');
  assert.equal(trend([0.9, 0.1, 0.5]), 'unclear');
  assert.equal(trend([1, 1, 0]), 'unclear');
  assert.equal(trend([0.01, 0.01, 0.01]), 'unclear');
  assert.equal(trend([0, 0, 0, 0, 0, 0]), 'unclear');
  assert.equal(trend([0, 0, 0, 0, 0, 0, 0]), 'same');
  assert.equal(trend([1, 1]), 'unclear');
  assert.equal(trend([0.7, 0.6, 0.7, 0.8, 0.6, 0.7, 0]), 'better');
  assert.equal(trend([1, 1, 1, 0, 0, 0, 0]), 'unclear');
});

test("Student's t", () => {
  // the 97.5 % quantiles of the tables
  for (const [degrees, t] of [
    [1, 12.7062],
    [2, 4.30265],
    [3, 3.18245],
    [4, 2.77645],
    [5, 2.57058],
    [6, 2.44691],
  ])
    assert.ok(Math.abs(studentWithin(t, degrees) - 0.95) < 1e-5, String(degrees));
});

test('chance alone is called a difference about as often as promised', () => {
  const next = sequence(7, 1);
  const kinds = {
    even: () => next() - 0.5,
    'facts won or lost': () => (next() < 0.7 ? (next() < 0.5 ? 1 : -1) : 0),
  };
  for (const [kind, draw] of Object.entries(kinds)) {
    for (const count of [4, 7, 12]) {
      let wrong = 0;
      for (let run = 0; run < 400; run++)
        if (
          !['unclear', 'same'].includes(
            trendOf(compareDifferences(Array.from({ length: count }, draw)), 0),
          )
        )
          wrong++;
      assert.ok(wrong <= 400 * 0.05, `${kind}, ${count} questions: ${wrong} of 400`);
    }
  }
});

// ---- whole evaluations by models that are tables

type Skill = 'knows' | 'half' | 'nothing' | 'rude';

const question = (i: number): Question => ({
  where: `q.jsonl:${i + 1}`,
  prompt: { kind: 'chat', messages: [{ role: 'user', content: `Question ${i}` }] },
  expected: `It takes ${i + 10} days, and it is free.`,
  facts: [[`${i + 10} days`]],
  forbidden: ['no idea'],
});

function answerOf(skill: Skill, { expected = '' }: Question, i: number): string {
  const said = {
    knows: expected,
    half: i % 2 === 0 ? expected : 'It depends.',
    nothing: 'It depends.',
    rude: `${expected} No idea.`,
  };
  return said[skill];
}

const likely = { knows: -0.2, half: -1, nothing: -2, rude: -0.2 } as const;

/** `base` and `adapter`: skill in the questions and in the general set. */
function answerer(
  base: readonly [Skill, Skill],
  adapter: readonly [Skill, Skill],
  general: readonly Question[],
): Answerer {
  const skill = (asked: Question, adapted: boolean) =>
    (adapted ? adapter : base)[general.includes(asked) ? 1 : 0];
  return {
    answers: async (questions, adapted) =>
      questions.map((asked) =>
        answerOf(skill(asked, adapted), asked, Number(asked.where.slice(8))),
      ),
    likelihoods: async (questions, adapted) =>
      questions.map((asked) => ({
        logProbability: likely[skill(asked, adapted)] * 10,
        tokens: 10,
      })),
  };
}

async function evaluated(
  count: number,
  base: readonly [Skill, Skill],
  adapter: readonly [Skill, Skill],
  generals = 0,
): Promise<EvalResult> {
  const general = Array.from({ length: generals }, (_, i) => question(i + 100));
  const set: EvalSet = {
    questions: Array.from({ length: count }, (_, i) => question(i)),
    general,
    warnings: [],
  };
  const events = evaluate({
    questions: set,
    model: {
      answerer: answerer(base, adapter, general),
      names: { base: 'base', adapter: 'adapter' },
    },
  });
  for (let next = await events.next(); ; next = await events.next()) {
    if (next.done === true) return next.value ?? assert.fail('nothing judged');
  }
}

const scoreOf = ({ questions }: EvalResult): number => questions.adapter.score ?? Number.NaN;

test('a better, an unchanged and a worse adapter come in that order', async () => {
  const better = await evaluated(12, ['half', 'half'], ['knows', 'half'], 8);
  const same = await evaluated(12, ['half', 'half'], ['half', 'half'], 8);
  const worse = await evaluated(12, ['half', 'half'], ['nothing', 'half'], 8);
  assert.deepEqual(
    [better, same, worse].map(({ verdict }) => verdict.kind),
    ['better', 'same', 'worse'],
  );
  assert.ok(scoreOf(better) > scoreOf(same) && scoreOf(same) > scoreOf(worse));
});

test('better at the questions and worse in general: forgot', async () => {
  const { verdict } = await evaluated(12, ['nothing', 'knows'], ['knows', 'nothing'], 12);
  assert.equal(verdict.kind, 'forgot');
  assert.match(
    verdict.reasons.join(' '),
    /answers score 100 of 100 with the adapter and 10 without.*In the general set \(12 questions\) the model has become worse: 100 → 10/s,
  );
});

test('a forbidden phrase makes a right answer worse', async () => {
  assert.equal((await evaluated(12, ['knows', 'half'], ['rude', 'half'])).verdict.kind, 'worse');
});

test('few questions: too few to tell, unless nothing changed at all', async () => {
  assert.equal((await evaluated(4, ['nothing', 'half'], ['knows', 'half'])).verdict.kind, 'better');
  const few = await evaluated(2, ['nothing', 'half'], ['knows', 'half']);
  assert.equal(few.verdict.kind, 'too few questions');
  assert.match(few.verdict.reasons[0], /^2 questions show too little \(.*\); ask at least 7/);
  assert.equal((await evaluated(2, ['half', 'half'], ['half', 'half'])).verdict.kind, 'same');
});

test('stopped early: the verdict is over what was asked, and says so', async () => {
  const set: EvalSet = {
    questions: Array.from({ length: 12 }, (_, i) => question(i)),
    general: [question(100)],
    warnings: [],
  };
  const stop = new AbortController();
  const events = evaluate({
    questions: set,
    model: {
      answerer: answerer(['nothing', 'half'], ['knows', 'half'], []),
      names: { base: 'base', adapter: 'adapter' },
    },
    signal: stop.signal,
  });
  for (let next = await events.next(), asked = 0; ; next = await events.next()) {
    if (next.done === true) {
      assert.deepEqual(next.value?.stopped, { done: 8, of: 13 });
      assert.match(
        next.value?.verdict.reasons.at(-1) ?? '',
        /stopped early: 8 of 13 questions were asked/,
      );
      break;
    }
    if (next.value.type === 'judged' && ++asked === 8) stop.abort();
  }
});

test('a model that gives fewer answers than it was asked for is an error, not one without a score', async () => {
  const whole = answerer(['half', 'half'], ['knows', 'half'], []);
  const short: Answerer[] = [
    { ...whole, answers: async (asked, adapted) => (await whole.answers(asked, adapted)).slice(1) },
    {
      ...whole,
      likelihoods: async (asked, adapted) => (await whole.likelihoods(asked, adapted)).slice(1),
    },
  ];
  for (const one of short) {
    const set: EvalSet = { questions: [question(1), question(2)], general: [], warnings: [] };
    const names = { base: 'base', adapter: 'adapter' };
    const events = evaluate({ questions: set, model: { answerer: one, names } });
    await assert.rejects(async () => {
      for await (const _ of events);
    }, /likelihoods and \d answers for \d questions?/);
  }
});

// ---- where the two measures disagree

const set = (answers: readonly number[], likelihoods: readonly number[], before = 0.5) =>
  setResult(
    answers.map((gain, i) => ({
      question: question(i),
      base: {
        answer: '',
        score: before,
        facts: [],
        forbidden: [],
        guarded: false,
        likelihood: { logProbability: -20, tokens: 10 },
      },
      adapter: {
        answer: '',
        score: before + gain,
        facts: [],
        forbidden: [],
        guarded: false,
        likelihood: { logProbability: -20 + 10 * likelihoods[i], tokens: 10 },
      },
    })),
  );

const each = (value: number): number[] => Array.from({ length: 12 }, () => value);

test('the likelihood decides where the answers do not, unless they lean the other way; where they score alike it must change much', () => {
  const lifted = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 0.35 : -0.1));
  assert.match(
    verdictOf(set(lifted, each(0.1)), undefined).reasons[0],
    /more likely.*, and the answers lean that way too \(50 → 55 of 100 points\)\.$/,
  );
  const leaning = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 0.25 : -0.3));
  const swinging = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 0.3 : -0.3));
  assert.deepEqual(
    [0.1, -0.1, 0.3, -0.3].map((mean) => trendOfSet(set(swinging, each(mean)))),
    ['unclear', 'unclear', 'better', 'worse'],
  );
  assert.equal(trendOfSet(set(leaning, each(0.1))), 'unclear');
  assert.equal(trendOfSet(set(each(0), each(0.1))), 'same');
  assert.equal(trendOfSet(set(each(0), each(0.3))), 'better');
  assert.equal(trendOfSet(set(each(0), each(0.1), 0)), 'better');
  assert.equal(trendOfSet(set(each(0.1), each(-1))), 'better');
  assert.match(
    verdictOf(set(each(0.1), each(-1)), undefined).reasons[0],
    /although the exact wording expected has become less likely/,
  );
});

test('questions of facts alone that neither model answers: "perplexity ? → ?"', () => {
  const facts = (gain: number, count: number) =>
    setResult(
      Array.from({ length: count }, (_, i) => {
        const judged = { facts: [false], forbidden: [], guarded: false };
        return {
          question: question(i),
          base: { ...judged, answer: 'I do not know.', score: 0 },
          adapter: { ...judged, answer: 'Perhaps.', score: i === 0 ? gain : 0 },
        };
      }),
    );
  for (const [set, told] of [
    [facts(0, 2), /^2 questions show too little \(0 → 0 of 100 points\)/],
    [facts(0, 12), /^Over 12 questions the answers score 0 of 100 with the adapter and 0 without/],
    [
      facts(0.4, 12),
      /^What 12 questions show \(0 → 3 of 100 points\) may be chance; ask about \d+/,
    ],
  ] as const) {
    const { reasons } = verdictOf(set, set);
    assert.match(reasons[0], told);
    assert.doesNotMatch(reasons.join(' '), /\?/);
  }
});

test('a general set that is answered as before, and a little less likely', () => {
  const swinging = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 0.3 : -0.31));
  assert.match(
    verdictOf(set(each(0.1), each(1)), set(swinging, each(-0.12))).reasons[1],
    /does less well, 50 → 50 of 100 points, but that may be chance/,
  );
});
