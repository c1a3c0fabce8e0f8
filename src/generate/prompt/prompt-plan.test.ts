// Against reference/golden/webui_prompts.json, which WebUI's own code made
// (reference/webui_prompts.py).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createClipTokenizer } from '../../tokenizer/clip.ts';
import { WeightError } from './attention.ts';
import { planNegativePrompt, planPrompt, type PlannedPart } from './prompt-plan.ts';
import type { ScheduleSpan } from './schedule.ts';

type Runs = [number, number][];
type Part = [weight: number, texts: [until: number, text: string, chunks: [Runs, Runs][]][]];
type Case = [prompt: string, parts: Part[] | string];
const golden = JSON.parse(readFileSync('reference/golden/webui_prompts.json', 'utf8')) as {
  calls: number;
  prompts: Case[];
  second_pass: Case[];
};

const tokenizer = await createClipTokenizer();
const plan = (prompt: string, span: ScheduleSpan = { calls: golden.calls }) =>
  planPrompt(prompt, { tokenizer, length: 77, span, emphasis: 'original' });

function runs(values: readonly number[]): Runs {
  const out: Runs = [];
  for (const value of values) {
    const last = out.at(-1);
    if (last?.[0] === value) last[1]++;
    else out.push([value, 1]);
  }
  return out;
}

/** WebUI fills up the texts of a prompt when it encodes them. */
const withoutFilling = (planned: readonly PlannedPart[], expected: readonly Part[]): Part[] =>
  planned.map(({ weight, texts }, part) => [
    weight,
    texts.map(({ until, text, chunks }, i) => [
      until,
      text,
      chunks
        .slice(0, expected[part]?.[1][i]?.[2].length)
        .map(({ ids, weights }) => [runs(ids), runs(weights)]),
    ]),
  ]);

function compare([prompt, expected]: Case, span?: ScheduleSpan): void {
  if (typeof expected === 'string') {
    assert.equal(expected, 'ValueError', prompt);
    assert.throws(() => plan(prompt, span), WeightError);
  } else assert.deepEqual(withoutFilling(plan(prompt, span), expected), expected, prompt);
}

test('prompts are taken apart as by WebUI: parts, schedules, chunks, weights', () => {
  assert.ok(golden.prompts.length > 150);
  golden.prompts.forEach((each) => compare(each));
});

test('in a second pass the schedules go on, as in WebUI', () => {
  golden.second_pass.forEach((each) =>
    compare(each, { calls: golden.calls, callsBefore: golden.calls }),
  );
});

test('the texts of a schedule have as many chunks as the longest of them', () => {
  const [{ texts }] = plan(`[a:${'cat '.repeat(80)}:5]`);
  assert.deepEqual(
    texts.map(({ chunks }) => chunks.length),
    [2, 2],
  );
  assert.deepEqual(runs(texts[0].chunks[1].ids), [
    [49406, 1],
    [49407, 76],
  ]);
});

test('in a negative prompt AND and a weight at the end are words', () => {
  const options = { tokenizer, length: 77, span: { calls: 10 }, emphasis: 'original' } as const;
  const [{ chunks }] = planNegativePrompt('a AND b:2', options).texts;
  assert.deepEqual(chunks[0].ids.slice(1, 6), tokenizer.textIds('a and b:2'));
});

test('emphasis none leaves brackets and BREAK as text', () => {
  const options = { tokenizer, length: 77, span: { calls: 10 }, emphasis: 'none' } as const;
  const [{ texts }] = planPrompt('(a:1.2) BREAK b', options);
  assert.equal(texts[0].chunks.length, 1);
  const ids = tokenizer.textIds('(a:1.2) break b');
  assert.deepEqual(texts[0].chunks[0].ids.slice(1, 1 + ids.length), ids);
});

test('a thousand brackets that are open, or closed, or nested are taken apart at once', () => {
  for (const prompt of [
    '['.repeat(5000),
    '(['.repeat(3000),
    `${'['.repeat(1500)}a${':5]'.repeat(1500)}`,
  ])
    assert.ok(plan(prompt).length === 1);
});
