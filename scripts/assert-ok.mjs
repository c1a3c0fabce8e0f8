// Loaded before the tests: says what an `assert.ok` without a message found. Node's own would look
// for the expression in the source file, at a place that is one in what tsx made of it, and parse
// from there again and again: for minutes, in some files.
import assert, { AssertionError } from 'node:assert';
import { syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';

function ok(value, message = `expected a true value; found ${inspect(value)}`) {
  if (value) return;
  if (message instanceof Error) throw message;
  const found = { actual: value, expected: true, operator: '==' };
  throw new AssertionError({ ...found, message, stackStartFn: ok });
}

assert.ok = ok;
assert.strict.ok = ok;
syncBuiltinESMExports();
