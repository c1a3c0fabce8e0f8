// Dates as Python writes them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { civilTimeText, parseCivilTime, strftime } from './strftime.ts';

// From reference/strftime.py.
const golden: {
  readonly dates: readonly string[];
  readonly formats: Readonly<Record<string, readonly string[]>>;
} = JSON.parse(
  readFileSync(new URL('../../reference/golden/strftime.json', import.meta.url), 'utf8'),
);

for (const [format, texts] of Object.entries(golden.formats))
  test(`strftime ${JSON.stringify(format)} as Python under LC_ALL=C`, () => {
    golden.dates.forEach((date, i) => {
      const time = parseCivilTime(date);
      assert.ok(time);
      assert.equal(strftime(format, time), texts[i], date);
    });
  });

test('a date is a day that exists, with or without a time', () => {
  assert.deepEqual(parseCivilTime('2026-01-31'), parseCivilTime('2026-01-31T00:00:00'));
  assert.deepEqual(parseCivilTime('2026-01-31 10:20'), parseCivilTime('2026-01-31T10:20:00'));
  for (const none of ['2026-02-30', '2026-13-01', '31.1.2026', '2026-01-31T24:00:00', 'today', ''])
    assert.equal(parseCivilTime(none), undefined, none);
  assert.equal(civilTimeText(new Date(0)), '1970-01-01T00:00:00');
});
