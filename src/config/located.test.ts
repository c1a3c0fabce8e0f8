import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError, type UserError } from '../errors.ts';
import { located, locatedError } from './located.ts';

const source = {
  path: 'run.yaml',
  lines: new Map([
    ['target_modules', 6],
    ['train_data_dir', 2],
  ]),
  overridden: new Map([['lora_dropout', '--lora-dropout']]),
  given: new Set(['target_modules', 'train_data_dir', 'lora_dropout']),
};
const whereOf = (where: string) => located({ where, what: '' }, source).where;

test('problems that were found behind the configuration named a key without its line', () => {
  assert.equal(whereOf('target_modules'), 'run.yaml:6 target_modules');
  assert.equal(whereOf('lora_dropout'), '--lora-dropout');
  assert.equal(whereOf('train_data'), 'run.yaml:2 train_data_dir');
  for (const other of ['faq.jsonl:3', 'training', './models/tiny-llm', ''])
    assert.equal(whereOf(other), other);
  const both = { ...source, given: new Set([...source.given, 'train_data']) };
  assert.equal(located({ where: 'train_data', what: '' }, both).where, 'run.yaml train_data');
});

test('an error stays what it is when its places are named', () => {
  const cause = new Error('disk');
  const error = new DataError([{ where: 'train_data', what: 'there are no samples' }], { cause });
  // the same class is given back
  const named = locatedError(error, source) as UserError;
  assert.ok(named instanceof DataError);
  assert.equal(named.message, 'run.yaml:2 train_data_dir: there are no samples');
  assert.equal(named.cause, cause);
  const bug = new TypeError('x');
  assert.equal(locatedError(bug, source), bug);
});
