import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenJson } from './broken-json.ts';

const broken = (text: string): string => {
  const { at = -1, what = '', fix = '' } = brokenJson(text) ?? {};
  return `${at}: ${what} → ${fix}`;
};

test('what people write in place of JSON is told by its place, its name and its own remedy', () => {
  const expected: readonly (readonly [text: string, message: RegExp])[] = [
    ['{"a": NaN}', /^6: NaN is no value of JSON → Write null/],
    ['[1,\n {"b": [-Infinity]}]', /^12: -Infinity is no value of JSON → Write null/],
    ['{"a": nan}', /^6: nan is no value/],
    ['{"a": None}', /^6: None is Python, not JSON → Write null;/],
    ['{"a": True, "b": 1}', /^6: True is Python, not JSON → Write true;/],
    ["{'a': 'b'}", /^1: single quotes around 'a': 'b'} → Write double quotes/],
    ['{"a": \'b\'}', /^6: single quotes around 'b'}/],
    ['{“a”: “b”}', /^1: typographic quotes around “a”: “b”} → Write plain/],
    ['{a: "b"}', /^1: a: "b"} is not in double quotes/],
    ['{"a": undefined}', /^6: undefined} is not in double quotes/],
    ['{"a": 1,}', /^8: a comma stands before } → Remove the comma/],
    ['[1,]', /^3: a value is missing before ]/],
    ['{"a": }', /^6: a value is missing before }/],
    ['{"a": 1},', /^8: a comma follows it/],
    ['{"a": 1} {"b": 2}', /^9: more follows it: {"b": 2}/],
    ['{"a": 1 "b": 2}', /^8: a comma is missing before "b": 2}/],
    ['{"a" 1}', /^5: a colon is missing before 1}/],
    ['{"a": [1}', /^8: } stands where \[ is to be closed/],
    ['{"a": "say "hi" now"}', /^12: a text ends before hi" now"} → Write a double quote .* \\"/],
    ['{"a": "b\nc"}', /^8: a line ends inside a text → Write a line break .* \\n/],
    ['{"a": "b\tc"}', /^8: a tab stands inside a text/],
    ['{"a": "b\u0001c"}', /^8: a control character \(code 1\)/],
    ['{"a": "C:\\users\\me"}', /^9: a backslash stands before u inside a text → .* \\\\\.$/],
    ['// note\n{"a": 1}', /^0: there is a comment/],
    ['{"a": 1} // note', /^9: there is a comment/],
    ['{"a": 1, # note\n"b": 2}', /^9: there is a comment/],
    ['{"a":\u00a01}', /^5: the character \\u00a0 stands outside of a text → Remove it/],
    ['\u200b{"a":1}', /^0: the character \\u200b/],
    ['{"a": 007}', /^6: 007 is not a number as JSON has them/],
    ['{"a": .5}', /^6: \.5 is not a number/],
    ['{"a": "b', /^8: it ends too early/],
    ['{"a": "\\u00', /^11: it ends too early/],
    ['{"a": [1, 2', /^11: it ends too early/],
    ['', /^0: it ends too early/],
  ];
  for (const [text, message] of expected) {
    assert.throws(() => JSON.parse(text), SyntaxError, text);
    assert.match(broken(text), message);
  }
});

test('what JSON.parse takes is not broken, and what it refuses is', () => {
  const pieces = ['{', '}', '[', ']', '"', ',', ':', 'a', '1', ' ', '\\', '-', '.', 'null', '"b"'];
  let state = 7;
  const random = (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  let taken = 0;
  for (let i = 0; i < 8000; i++) {
    const text = Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join(
      '',
    );
    let sound = true;
    try {
      JSON.parse(text);
      taken++;
    } catch {
      sound = false;
    }
    assert.equal(brokenJson(text) === undefined, sound, text);
  }
  assert.ok(taken > 200);
});
