import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AdapterError,
  CheckpointError,
  ConfigError,
  DataError,
  ofAdapter,
  SystemError,
} from '../errors.ts';
import { report } from './report.ts';

const problems = [{ where: 'here', what: 'it is wrong' }];

test('a fault is headed by what cannot be used: an adapter was called the model', () => {
  const headOf = (error: unknown) => report(error).text.split('\n')[0];
  for (const [Kind, word] of [
    [ConfigError, 'configuration'],
    [DataError, 'data'],
    [CheckpointError, 'model'],
    [AdapterError, 'adapter'],
    [SystemError, 'system'],
  ] as const)
    assert.match(headOf(new Kind(problems)), new RegExp(`The ${word} `));
  const failed = () =>
    ofAdapter(() => {
      throw new CheckpointError(problems);
    });
  assert.throws(failed, (error) => /The adapter cannot be used/.test(headOf(error)));
});

test('a refusal of the system, wherever it is thrown, is no bug: what, where and what to do, exit 1', () => {
  for (const [code, told] of [
    ['EMFILE', /too many files are open\n +Raise the limit/],
    ['EROFS', /the disk is read-only/],
    ['ENOSPC', /the disk is full/],
    ['EIO', /the disk reports a fault/],
  ] as const) {
    const thrown = Object.assign(new Error(`${code}: refused, scandir '/out/logs'`), {
      code,
      path: '/out/logs',
    });
    const { text, exitCode } = report(thrown);
    assert.match(text, told);
    assert.match(text, /\/out\/logs/);
    assert.equal(exitCode, 1);
  }
  assert.equal(report(Object.assign(new Error('no file'), { code: 'ENOENT' })).exitCode, 70);
  assert.equal(report(new TypeError('x is undefined')).exitCode, 70);
});
