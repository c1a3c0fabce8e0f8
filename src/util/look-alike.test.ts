// Each rule alone: what a table or a folder does with them is tried where they are used.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alikeTo, lookOf, nearest } from './look-alike.ts';

const composed = 'caf\u00e9.png';
const decomposed = 'cafe\u0301.png';

test('of names that look the same, the one with the same characters is meant, however it is listed', () => {
  const homoglyph = 'l\u043ego.png'; // the Cyrillic о
  for (const names of [
    [composed, decomposed],
    ['logo.png', homoglyph],
    ['a b.png', 'a\u00a0b.png'],
    ['Lamp.png', 'lamp.png', 'LAMP.png'],
    ['\u212b.png', '\u00c5.png'], // the unit and the letter are one in Unicode's composed form
  ])
    for (const listed of [names, [...names].reverse()])
      for (const wanted of names)
        assert.deepEqual(alikeTo(wanted, listed), [wanted], `${wanted} of ${String(listed)}`);
});

test("without it, the same in Unicode's composed form goes before other spellings, and case before look", () => {
  const upper = 'CAFE\u0301.png';
  const unseen = 'caf\u00e9\u200b.png';
  for (const names of [
    [upper, unseen, decomposed],
    [unseen, decomposed, upper],
  ])
    assert.deepEqual(alikeTo(composed, names), [decomposed]);
  assert.deepEqual(alikeTo(composed, [unseen, upper]), [upper]);
  assert.deepEqual(alikeTo(composed, [unseen]), [unseen]);
  // letters of Korean and accents of Vietnamese are composed, too
  for (const name of ['\ud55c\uae00', 'Vi\u1ec7t', 'na\u00efve', '\u304c'])
    assert.deepEqual(alikeTo(name, ['other', name.normalize('NFD')]), [name.normalize('NFD')]);
});

test('letters of Cyrillic and Greek that print as Latin ones are the same look, in both cases', () => {
  const pairs: readonly (readonly [string, string])[] = [
    ['aceopxy', '\u0430\u0441\u0435\u043e\u0440\u0445\u0443'],
    ['ABCEHKMOPTX', '\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425'],
    ['ijs', '\u0456\u0458\u0455'],
    ['aoknptx', '\u03b1\u03bf\u03ba\u03bd\u03c1\u03c4\u03c7'],
  ];
  for (const [latin, other] of pairs)
    for (const [i, letter] of Array.from(other).entries()) {
      assert.equal(lookOf(letter), lookOf(latin[i]), `${latin[i]} and ${letter}`);
      assert.deepEqual(alikeTo(`x${latin[i]}1`, [`x${letter}1`]), [`x${letter}1`]);
    }
  for (const letter of ['\u0436', '\u0444', '\u03b4', '\u03bb', '\u4e00'])
    assert.equal(lookOf(letter), letter, 'a letter of its own');
});

test('a suggestion is near: nix.jsonl was taken for a slip for t.jsonl', () => {
  for (const [wanted, ...names] of [
    ['nix.jsonl', 't.jsonl', 'x.jsonl', 'ab.jsonl'],
    ['a.png', 'b.png'],
    ['zz.png', 'n.png', 'aa.png'],
    ['cat.png', 'dog.png', 'c.png'],
    ['3.png', '2.png', '13.png'],
    ['train.parquet', 'x.parquet'],
  ] as const)
    assert.equal(nearest(wanted, names), undefined, `${wanted}: ${names.join(' ')}`);
  for (const [wanted, meant, ...others] of [
    ['lamep.png', 'lampe.png', 'lamb.png2'],
    ['lamp.pgn', 'lamp.png', 'lark.png'],
    ['huose.png', 'house.png', 'horse.png3'],
    ['cat.png', 'cats.png', 'dog.png'],
    ['learning_rat', 'learning_rate', 'lr_warmup_steps'],
    ['train-data.jsonl', 'train_data.jsonl', 'valid_data.jsonl'],
  ] as const)
    assert.equal(nearest(wanted, [...others, meant]), meant);
});
