import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem, UserError } from '../errors.ts';
import { alikeTo, apart, nearest } from './look-alike.ts';
import { quoted } from './names.ts';
import { visible, withCodes, withCodesInLines } from './visible.ts';

test('what prints as a blank or as nothing is shown by its code in every message', () => {
  const unseen = [
    ...['\u00a0', '\u1680', '\u2003', '\u2007', '\u200a', '\u202f', '\u205f', '\u2800', '\u3000'],
    ...['\u200b', '\u2060', '\ufeff', '\u00ad', '\u034f', '\u115f', '\u3164', '\u202e', '\u2066'],
    ...['\u2028', '\0', '\x1b', '\x7f', '\x85'],
  ];
  for (const character of unseen) {
    const code = `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    assert.equal(withCodes(`a${character}b`), `a${code}b`);
    assert.equal(quoted(`a${character}b`), `"a${code}b"`);
    const problem = { where: `a${character}.png`, what: `is "a${character}"`, fix: character };
    const shown = `a${code}.png: is "a${code}"\n    ${code}`;
    assert.equal(formatProblem(problem), shown);
    assert.equal(new UserError([problem]).message, shown);
  }
  assert.equal(withCodes('a\tb\r\nc'), 'a\\tb\\r\\nc');
  assert.equal(withCodesInLines('a\tb\nc'), 'a\\tb\nc');
  assert.equal(withCodes('\u{e0041}'), '\\u{e0041}');
});

test('what is seen stays: letters of all scripts, emoji joined by what is not, plain blanks', () => {
  for (const name of ['a b.png', 'é', 'e\u0301', '猫', '👩\u200d🎨', 'می\u200cخواهم', '❤\ufe0f'])
    assert.deepEqual([withCodes(name), visible(name)], [name, name]);
});

test('two names that print alike are told apart by their codes; others stay as they are', () => {
  assert.deepEqual(apart('caf\u00e9', 'cafe\u0301'), ['caf\\u00e9', 'cafe\\u0301']);
  assert.deepEqual(apart('\u0430.png', 'a.png'), ['\\u0430.png', 'a.png']);
  assert.deepEqual(apart('a b', 'a\u00a0b'), ['a b', 'a\\u00a0b']);
  assert.deepEqual(apart('猫 b', '猫\u00a0b'), ['猫 b', '猫\\u00a0b']);
  assert.deepEqual(apart('É.png', 'é.png'), ['É.png', 'é.png']);
});

test('the same characters go before the same form, that before the same look', () => {
  const names = ['cafe\u0301', 'CAF\u00c9', 'caf\u00e9\u200b'];
  assert.deepEqual(alikeTo('cafe\u0301', names), ['cafe\u0301']);
  assert.deepEqual(alikeTo('caf\u00e9', names), ['cafe\u0301']);
  assert.deepEqual(alikeTo('Caf\u00e9', names), ['cafe\u0301', 'CAF\u00c9']);
  assert.deepEqual(alikeTo('caf\u00e9\ufeff', names), names);
  assert.deepEqual(alikeTo('\u200b', ['\ufeff']), [], 'nothing looks like nothing');
});

test('the nearest name is a slip of the hand, not another number', () => {
  assert.equal(nearest('lanter', ['lantern', 'lamp']), 'lantern');
  assert.equal(nearest('img_3', ['img_2']), undefined);
  assert.equal(nearest('a', ['b']), undefined);
  assert.equal(nearest('dog', ['cathedral']), undefined);
});
