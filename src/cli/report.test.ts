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
