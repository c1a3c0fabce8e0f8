// What becomes of characters that people do not see, and what is said of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oddCharacters, plainText } from './odd-characters.ts';

test('every kind of line break is \\n, and byte order marks go: each with a word', () => {
  const cases: readonly (readonly [given: string, plain: string, told: readonly RegExp[]])[] = [
    ['a\nb\t c', 'a\nb\t c', []],
    ['a\r\nb\r\n', 'a\nb\n', [/Windows/]],
    ['10%\r20%', '10%\n20%', [/carriage returns/]],
    ['a\r\r\nb', 'a\n\nb', [/Windows/, /carriage returns/]],
    ['a\u2028b\u2029c', 'a\nb\nc', [/U\+2028/]],
    ['a\ufeffb', 'ab', [/U\+FEFF/]],
  ];
  for (const [given, plain, told] of cases) {
    const read = plainText(given);
    assert.equal(read.text, plain);
    assert.equal(read.told.length, told.length, JSON.stringify(read.told));
    told.forEach((pattern, i) => assert.match(read.told[i].what, pattern));
  }
});

test('characters that are damaged or unseen are told by their code, and stay', () => {
  const cases: readonly (readonly [text: string, told: RegExp])[] = [
    ['a\0', /NUL/],
    ['a\u001b[1m', /control character U\+001B/],
    ['a\u0085', /control character U\+0085/],
    ['a\u000bb', /control character U\+000B/],
    ['a\ufffd', /U\+FFFD, which takes the place/],
    ['a\ud83d', /lone surrogate/],
    ['zero\u200bwidth', /U\+200B, which cannot be seen/],
    ['soft\u00adhyphen', /U\+00AD, which cannot be seen/],
    ['word\u2060joiner', /U\+2060, which cannot be seen/],
    ['latin\u200dletters', /U\+200D, which cannot be seen/],
  ];
  for (const [text, told] of cases) {
    const found = oddCharacters(text);
    assert.equal(found.length, 1, JSON.stringify([text, found]));
    assert.match(found[0].what, told);
  }
});

test('what belongs to a script is left alone, and nothing is said', () => {
  for (const text of [
    '👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️',
    'می‌خواهم',
    'क्‍ष',
    '\u200fשלום\u200e',
    'a\u00a0b\u202f%',
    'é e\u0301',
    '　全角',
  ])
    assert.deepEqual([oddCharacters(text), plainText(text)], [[], { text, told: [] }]);
});
