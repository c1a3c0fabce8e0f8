// The example's files are what the script writes, and hold no question of the evaluation; the base
// never saw the brand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readTextFiles } from '../../src/dataset/text/read.ts';
import { baseDialogue, exampleEvaluation, exampleGeneral, exampleTraining } from './dialogues.ts';
import { brand } from './houses.ts';
import { exampleFiles, SEED } from './write.ts';

const path = (name: string): string =>
  fileURLToPath(new URL(`../../data/customer_service/${name}`, import.meta.url));

test('the files are those that the script writes, without a fault', async () => {
  for (const [name, text] of Object.entries(exampleFiles()))
    assert.equal(readFileSync(path(name), 'utf8'), text, name);
  const { warnings } = await readTextFiles(
    ['train.jsonl', 'eval.jsonl', 'general.jsonl'].map((name) => ({ path: path(name) })),
  );
  assert.deepEqual(warnings, []);
});

test('nothing is left to fill in, and right answers contain their facts', () => {
  for (const { question, answer, facts, forbidden } of [
    ...exampleTraining(SEED),
    ...exampleEvaluation(SEED),
    ...Array.from({ length: 500 }, (_, i) => baseDialogue(SEED, i)),
  ]) {
    assert.doesNotMatch(question + answer, /[{}]|undefined|  /);
    for (const fact of facts) assert.ok(answer.includes(fact), `${answer} has no ${fact}`);
    for (const phrase of forbidden) assert.ok(!answer.includes(phrase), `${answer} has ${phrase}`);
  }
});

test('the evaluation asks what was not taught; the base does not know the brand', () => {
  const taught = new Set(exampleTraining(SEED).map(({ question }) => question.toLowerCase()));
  for (const { question } of [...exampleEvaluation(SEED), ...exampleGeneral(SEED)])
    assert.ok(!taught.has(question.toLowerCase()), question);
  for (let i = 0; i < 2000; i++)
    assert.ok(!JSON.stringify(baseDialogue(SEED, i)).includes(brand.name));
});
